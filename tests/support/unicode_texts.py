"""Texts that break aligners: scripts, compositions, ligatures, spaces, controls, mojibake."""

from __future__ import annotations

from itertools import product

SCRIPTS = (
    "今天天气很好,我们去公园吧。",
    "她买了3个苹果和12个橙子。",
    "東京の人口は約1400万人です。",
    "カタカナとひらがな",
    "안녕하세요 세계",
    "가격은 12,000원입니다.",
    "العربية لغة جميلة",
    "السعر ١٢ دولارًا",
    "שלום עולם",
    "हिन्दी में लिखा हुआ",
    "कक्षा में ३० छात्र हैं",
    "தமிழ் எழுத்து",
    "ภาษาไทยไม่มีช่องว่าง",
    "Привет, мир! Цена 12 руб.",
    "Ελληνικά γράμματα",
    "Tiếng Việt có dấu",
    "İstanbul'da ışık",
    "Åse spiser smørrebrød",
    "Łódź i Kraków",
    "Ñandú pingüino",
)
MARKS = (
    "cafe\u0301",
    "e\u0301te\u0301",
    "a\u0308o\u0308u\u0308",
    "n\u0303",
    "A\u030a",
    "q\u0307\u0323",
    "z\u0351\u036b",
    "\u0301lone mark",
    "x\u0336y\u0336",
    "\u1112\u1161\u11ab",
)
EMOJI = (
    "🎉",
    "👨‍👩‍👧‍👦",
    "👍🏽",
    "🏳️‍🌈",
    "🇩🇪🇫🇷",
    "❤️",
    "1️⃣2️⃣",
    "🤷🏿‍♀️ shrug",
    "party 🎉🎊🥳 time",
    "end🎉",
)
COMPATIBLE = (
    "½ cup",
    "¾ of ⅓",
    "1½ miles",
    "ﬁne ﬂow oﬃce",
    "x² + y³ = z¹",
    "㎏ and ㎞",
    "№ 5",
    "™ and ®",
    "Ⅷ chapters",
    "ｆｕｌｌ ｗｉｄｔｈ １２",
    "…wait…",
    "①②③",
    "℃ and Å",
    "㍿",
    "ﷺ",
    "ǆ ǅ Ǆ",
    "ﬀ ﬁ ﬂ ﬃ ﬄ",
)
SPACES = (
    "a\u00a0b",
    "1\u202f000",
    "a\u2003b",
    "a\u3000b",
    "zero\u200bwidth",
    "join\u200der",
    "soft\u00adhyphen",
    "a\ufeffb",
    "  lead",
    "trail  ",
    "a\r\nb",
    "a\n\n\nb",
    "a\tb\t\tc",
    "a \n b",
    "\n",
    "one\u2028two",
    "a\u0085b",
    "a\u180eb",
)
CONTROLS = (
    "bell\x07here",
    "nul\x00byte",
    "esc\x1b[0m",
    "del\x7fete",
    "a\x0bb\x0cc",
    "\x01\x02start",
    "end\x03",
)
BROKEN = (
    "It\u00e2\u20ac\u2122s $5",
    "caf\u00c3\u00a9",
    "replacement \ufffd here",
    "na\u00c3\u00afve \u00e2\u20ac\u0153quoted\u00e2\u20ac\u009d",
    "Ã¼ber",
    "ï»¿bom",
)
SIGNS = (
    "<<48/2=24>>24",
    "{x | x > 0}",
    "C:\\path\\to",
    "a^b~c`d",
    "5×3−2÷1",
    "€12.50 £3 ¥400",
    "—dash – en",
    "“quotes” ‘single’",
    "«guillemets»",
    "x ≤ y ≠ z ≈ w",
    "∑ᵢ xᵢ²",
    "→ ← ↔",
    "a|b||c",
    "###",
    "</s> <unk> <pad>",
    "1,234,567.89",
)


def unicode_texts() -> list[str]:
    """Every text alone, inside a sentence, and beside one of another kind."""
    kinds = (SCRIPTS, MARKS, EMOJI, COMPATIBLE, SPACES, CONTROLS, BROKEN, SIGNS)
    alone = [text for kind in kinds for text in kind]
    inside = [f"She paid {text} for 12 pens." for text in alone]
    pairs = [
        f"{one[n % len(one)]} {other[n % len(other)]}"
        for n, (one, other) in enumerate(product(kinds, kinds))
    ]
    return list(dict.fromkeys([*alone, *inside, *pairs]))
