"""The exact alignment: the finest common segmentation of two tokenizations."""
