"""Just enough of C++ to find functions: comments and literals blanked, braces counted."""
import re
import shutil

which = shutil.which


def strip(text, keep_strings=False):
    """Comments, and unless kept literals, become blanks; line breaks stay where they are."""
    out = []
    i, n = 0, len(text)

    def blank(piece):
        out.append(re.sub(r"[^\n]", " ", piece))

    while i < n:
        c = text[i]
        if text.startswith("//", i):
            end = text.find("\n", i)
            end = n if end < 0 else end
            blank(text[i:end])
        elif text.startswith("/*", i):
            end = text.find("*/", i + 2)
            end = n if end < 0 else end + 2
            blank(text[i:end])
        elif c == '"' and i > 0 and text[i - 1] == "R":
            close = ")" + text[i + 1:text.find("(", i)] + '"'
            end = text.find(close, i)
            end = n if end < 0 else end + len(close)
            blank(text[i:end])
        elif c == '"' or (c == "'" and not (i > 0 and text[i - 1].isalnum())):
            end = i + 1
            while end < n and text[end] != c and text[end] != "\n":
                end += 2 if text[end] == "\\" else 1
            end = min(end + 1, n)
            if keep_strings:
                out.append(text[i:end])
            else:
                out.append(c)
                blank(text[i + 1:end - 1])
                out.append(c)
        else:
            out.append(c)
            end = i + 1
        i = end
    return "".join(out)


_SCOPE = re.compile(r"^(inline\s+)?(export\s+)?(template\s*<.*>\s*)?"
                    r"(typedef\s+)?(namespace|class|struct|union|enum|extern\b)", re.S)


def _preprocessor_blanked(code):
    lines, continued = [], False
    for line in code.split("\n"):
        directive = continued or line.lstrip().startswith("#")
        continued = directive and line.rstrip().endswith("\\")
        lines.append("" if directive else line)
    return "\n".join(lines)


def functions(text):
    """(name, first line, last line) of every function body outside other functions."""
    code = _preprocessor_blanked(strip(text))
    found = []
    scopes = []  # "function" with its start, "scope" or "braces" (an initializer)
    parens = 0
    statement, start = "", None
    line = 1
    for c in code:
        if c == "\n":
            line += 1
        inside = any(kind == "function" for kind, _, _ in scopes)
        if c == "{" and parens == 0:
            text_before = statement.strip()
            if inside:
                scopes.append(("inner", None, None))
            elif _SCOPE.match(text_before):
                scopes.append(("scope", None, None))
                statement, start = "", None
            elif _initializer(text_before):
                scopes.append(("braces", None, None))
            elif ")" in text_before and not text_before.endswith("="):
                scopes.append(("function", _name(text_before), start))
            else:
                scopes.append(("braces", None, None))
            continue
        if c == "}" and parens == 0 and scopes:
            kind, name, first = scopes.pop()
            if kind == "function":
                found.append((name, first, line))
                statement, start = "", None
            elif kind == "scope":
                statement, start = "", None
            elif kind == "braces":
                statement += "}"
            continue
        if inside or any(kind == "braces" for kind, _, _ in scopes):
            continue
        if c in "()":
            parens = max(0, parens + (1 if c == "(" else -1))
        if c == ";" and parens == 0:
            statement, start = "", None
            continue
        if start is None and not c.isspace():
            start = line
        statement += c
        if statement.strip() in ("public:", "private:", "protected:"):
            statement, start = "", None
    return found


def _initializer(before):
    """`Foo() : a_` in front of `{`: a member's initializer, not the body."""
    return bool(re.search(r"\)\s*(noexcept)?\s*:(?!:)", before) and re.search(r"[\w>]$", before))


def _name(before):
    match = re.search(r"([~\w:]+|operator\s*\S+?)\s*\(", before)
    return match.group(1) if match else before[:40]
