"""Labels that V1 stores and that are no simple words."""

ODD_LABELS = [
    "user profile",
    " ",
    "a.b",
    "notes/today",
    "é茶🍵",
    "\u200f\u05e2\u05d1\u05e8",
    "x" * 200,
    "🍵" * 200,
    "a\nb",
    "a\r\nb",
    "<value>",
    "</memory_blocks>",
    "say \"hi\" & 'bye'",
    "a, b",
    "=1+1",
    "100%",
    "?a=b#c;d",
    "\\",
    "..",
]
