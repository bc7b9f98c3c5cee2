"""Grammars of the kinds that people write, each in GBNF and in Lark's syntax, with a few texts in and out of them."""

from typing import NamedTuple


class Example(NamedTuple):
    """The same language twice; texts of it, and others."""

    gbnf: str
    lark: str
    good: tuple[str, ...]
    bad: tuple[str, ...]


EXAMPLES: dict[str, Example] = {
    "json": Example(
        r"""
        root   ::= object
        value  ::= object | array | string | number | ("true" | "false" | "null") ws

        object ::=
          "{" ws (
                    string ":" ws value
            ("," ws string ":" ws value)*
          )? "}" ws

        array  ::=
          "[" ws (
                    value
            ("," ws value)*
          )? "]" ws

        string ::=
          "\"" (
            [^"\\\x7F\x00-\x1F] |
            "\\" (["\\bfnrt/] | "u" [0-9a-fA-F]{4}) # escapes
          )* "\"" ws

        number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws

        # at most two blanks in a row
        ws ::= | " " | "\n" [ \t]{0,2}
        """,
        r"""
        start: object
        ?value: object | array | string | number | ("true" | "false" | "null") ws
        object: "{" ws [pair ("," ws pair)*] "}" ws
        pair: string ":" ws value
        array: "[" ws [value ("," ws value)*] "]" ws
        string: "\"" char* "\"" ws
        char: /[^"\\\x7f\x00-\x1f]/ | "\\" ( /["\\bfnrt\/]/ | "u" HEX ~ 4)
        HEX: "0".."9" | "a".."f" | "A".."F"
        number: NUMBER ws
        NUMBER: "-"? ("0".."9" | "1".."9" /[0-9]/~0..15) ("." /[0-9]+/)? (/[eE][-+]?[0-9]/ /[1-9]/~0..15)?
        ws: [" " | NEWLINE]
        NEWLINE: "\n" /[ \t]/~0..2
        """,
        ('{}', '{"a": [1, -2.5e3, {"b": null}], "é\\u00e9": ""}', '{ "x":\n\t{}}'),
        ('[]', '{"a" 1}', '{"a": [1}', '{"a": "\n"}', '{}}', '{"a":   1}'),
    ),
    "arithmetic": Example(
        r"""
        root  ::= (expr "=" ws term "\n")+
        expr  ::= term ([-+*/] term)*
        term  ::= ident | num | "(" ws expr ")" ws
        ident ::= [a-z] [a-z0-9_]* ws
        num   ::= [0-9]+ ws
        ws    ::= [ \t\n]*
        """,
        r"""
        start: line+
        line: expr "=" ws term "\n"
        expr: term (/[-+*\/]/ term)*
        ?term: IDENT ws | NUM ws | "(" ws expr ")" ws
        IDENT: "a".."z" ("a".."z" | "0".."9" | "_")*
        NUM: /[0-9]+/
        ws: /[ \t\n]+/?
        """,
        ("x=1\n", "(x+(2*y))*3 = 7\n", "a =\n1\n\nb=2\n"),
        ("x=1", "((x)=1\n", "1+=2\n", "x=()\n", "=1\n"),
    ),
    "arithmetic by ambiguous rules": Example(
        r"""
        root ::= e
        e ::= e op e | "-" e | e "!" | "(" e ")" | e "?" e ":" e | [0-9]+
        op ::= "+" | "*" | "**"
        """,
        r"""
        start: e
        e: e _op e -> binary | "-" e -> negated | e "!" -> factorial | "(" e ")" | e "?" e ":" e | DIGITS
        _op: "+" | "*" | "**"
        DIGITS: /[0-9]+/
        """,
        ("1", "-1!**2", "(1+2)*--3!!", "1?2:3", "(1?2+3:(4))?5?6:7:8"),
        ("", "1+", "(1", "1?2", "1:2", "1?(2:3)", "()"),
    ),
    "list": Example(
        r"""
        root ::= item+
        item ::= "- " [^\r\n\x0b\x0c\x85\u2028\u2029]+ "\n"
        """,
        r"""
        start: item+
        item: "- " /[^\r\n\x0b\x0c\x85\u2028\u2029]+/ "\n"
        """,
        ("- a\n", "- milk\n- two eggs – é\n"),
        ("", "- \n", "- a", "a\n", "- a\r\n"),
    ),
    "chess": Example(
        r"""
        root ::= (
            # the first move of both
            "1. " move " " move "\n"

            # all others
            ([1-9] [0-9]? ". " move " " move "\n")+
        )
        move ::= (pawn | nonpawn | castle) [+#]?
        nonpawn ::= [NBKQR] [a-h]? [1-8]? "x"? [a-h] [1-8]
        pawn    ::= ([a-h] "x")? [a-h] [1-8] ("=" [NBKQR])?
        castle  ::= "O-O" "-O"?
        """,
        r"""
        start: "1. " move " " move "\n" ( /[1-9][0-9]?/ ". " move " " move "\n")+
        move: (pawn | nonpawn | castle) /[+#]/?
        nonpawn: /[NBKQR]/ /[a-h]/? /[1-8]/? "x"? /[a-h]/ /[1-8]/
        pawn: ( /[a-h]/ "x")? /[a-h]/ /[1-8]/ ("=" /[NBKQR]/)?
        castle: "O-O" "-O"?
        """,
        ("1. e4 e5\n2. Nf3 Nc6\n", "1. e4 e5\n12. O-O-O exd5+\n13. Qh4xe1 a8=Q#\n"),
        ("1. e4 e5\n", "1. e4\n2. e5 e6\n", "1. i4 e5\n2. a1 a2\n", "1. O-O-O-O a1\n2. a1 a2\n"),
    ),
    "csv": Example(
        r"""
        root   ::= record ("\n" record)*
        record ::= field ("," field)*
        field  ::= quoted | plain
        quoted ::= "\"" ([^"] | "\"\"")* "\""
        plain  ::= [^",\n]*
        """,
        r"""
        start: record | start "\n" record
        record: field | record "," field
        field: quoted | plain
        quoted: "\"" ( /[^"]/ | "\"\"")* "\""
        plain: /[^",\n]+/?
        """,
        ("", "a,b\n,c", '"a ""b"", c\n",d', "\n\n"),
        ('"a', 'a"b', '"a"b', '""",'),
    ),
    "a programming language": Example(
        r"""
        root       ::= statement+
        statement  ::= declaration | assignment | condition | loop | "return" " "? expression? ";" nl | block
        block      ::= "{" nl statement* "}" nl
        declaration ::= ("int" | "float" | "char") " " name (" = " expression)? ";" nl
        assignment ::= name ("[" expression "]")* " = " expression ";" nl
        condition  ::= "if (" expression ") " block ("else " block)?
        loop       ::= "while (" expression ") " block | "for (" expression "; " expression "; " expression ") " block
        expression ::= conjunction (" || " conjunction)*
        conjunction ::= comparison (" && " comparison)*
        comparison ::= sum ((" < " | " <= " | " == " | " != ") sum)?
        sum        ::= product ((" + " | " - ") product)*
        product    ::= unary ((" * " | " / " | " % ") unary)*
        unary      ::= [-!]* postfix
        postfix    ::= primary ("(" (expression (", " expression)*)? ")" | "[" expression "]" | "." name)*
        primary    ::= name | [0-9]+ ("." [0-9]+)? | text | "(" expression ")"
        text       ::= "\"" ([^"\\\n] | "\\" ["\\nt])* "\""
        name       ::= [a-zA-Z_] [a-zA-Z_0-9]{0,20}
        nl         ::= [ \n]{0,2}
        """,
        r"""
        start: statement+
        statement: declaration | assignment | condition | loop | "return" " "? expression? ";" nl | block
        block: "{" nl statement* "}" nl
        declaration: ("int" | "float" | "char") " " NAME (" = " expression)? ";" nl
        assignment: NAME ("[" expression "]")* " = " expression ";" nl
        condition: "if (" expression ") " block ("else " block)?
        loop: "while (" expression ") " block | "for (" expression "; " expression "; " expression ") " block
        expression: conjunction | expression " || " conjunction
        conjunction: comparison | conjunction " && " comparison
        comparison: sum [(" < " | " <= " | " == " | " != ") sum]
        sum: product | sum (" + " | " - ") product
        product: unary | product (" * " | " / " | " % ") unary
        unary: postfix | ("-" | "!") unary
        postfix: primary | postfix call | postfix "[" expression "]" | postfix "." NAME
        call: "(" [expression (", " expression)*] ")"
        primary: NAME | /[0-9]+(\.[0-9]+)?/ | text | "(" expression ")"
        text: "\"" ( /[^"\\\n]/ | "\\" /["\\nt]/ )* "\""
        NAME: /[a-zA-Z_][a-zA-Z_0-9]{0,20}/
        nl: /[ \n]{1,2}/?
        """,
        (
            "int x = 3;\nwhile (x < 10) { x = f(x, a[2])(y).b + 1; }",
            'if (!(a == "b)")) {}else {return;}',
            "for (i; i < (3); g()) {{int y;}}",
        ),
        ("", "x = 1", "if (a {}", "x = f(1, );", "while (x) { x = 1;", "x = (1;"),
    ),
    "dates": Example(
        r"""
        root  ::= year "-" month "-" day ("T" time)?
        year  ::= [0-9]{4}
        month ::= "0" [1-9] | "1" [0-2]
        day   ::= "0" [1-9] | [12] [0-9] | "3" [01]
        time  ::= [01] [0-9] ":" [0-5] [0-9] | "2" [0-3] ":" [0-5] [0-9]
        """,
        r"""
        start: YEAR "-" MONTH "-" DAY ("T" TIME)?
        YEAR: "0".."9"~4
        MONTH: "0" "1".."9" | "1" ("0".."2")
        DAY: /0[1-9]|[12][0-9]|3[01]/
        TIME: /(?:[01][0-9]|2[0-3]):[0-5][0-9]/
        """,
        ("2024-02-30", "1999-12-31T23:59"),
        ("2024-13-01", "24-01-01", "2024-1-1", "2024-01-01T24:00", "2024-01-32"),
    ),
    "symbolic expressions": Example(
        r"""
        root ::= form
        form ::= atom | "(" sp (form (" "+ form)*)? sp ")" | "'" form
        atom ::= [a-z]+ | [0-9]+
        sp ::= " "*
        """,
        r"""
        start: form
        form: ATOM | "(" sp [list] sp ")" | "'" form
        list: form | list " "+ form
        ATOM: /[a-z]+|[0-9]+/
        sp: " "*
        """,
        ("a", "()", "(a (b  'c) ''(d))", "( a )"),
        ("", "(", "(a", "a b", "(a))", "(a(b))"),
    ),
    "tags of two kinds": Example(
        r"""
        root ::= node*
        node ::= [a-z] | "<b>" node* "</b>" | "<i>" node* "</i>" | "<br/>"
        """,
        r"""
        start: node*
        node: "a".."z" | "<b>" node* "</b>" | "<i>" node* "</i>" | "<br/>"
        """,
        ("", "a<b>b<i>c</i><br/></b>", "<i></i>"),
        ("<b>", "<b></i></b>", "<b><i></b></i>", "</b>"),
    ),
    "keywords that open and close": Example(
        r"""
        root ::= block
        block ::= "begin " statement* "end;"
        statement ::= [a-z] ":=" [0-9]+ ";" | block | "if " [a-z] " then " statement+ "fi;"
        """,
        r"""
        start: block
        block: "begin " statement* "end;"
        statement: /[a-z]/ ":=" /[0-9]+/ ";" | block | "if " /[a-z]/ " then " statement+ "fi;"
        """,
        ("begin end;", "begin a:=1;begin end;if x then b:=22;if y then begin end;fi;fi;end;"),
        ("begin ", "begin fi;", "begin if x then fi;end;", "begin a:=1;end;end;"),
    ),
    "as many of one as of the other": Example(
        'root ::= "a" root "b" | "c" inner "c"\ninner ::= "x" inner "x" | "-" | "|" root "|"',
        'start: "a" start "b" | "c" inner "c"\ninner: "x" inner "x" | "-" | "|" start "|"',
        ("c-c", "aacxx-xxcbb", "acx|ac-cb|xcb"),
        ("ab", "aac-cb", "acx-xxcb", "c|c", "acxx|ac-cb|xcb"),
    ),
    "a query": Example(
        r"""
        root ::= "SELECT " columns " FROM " table (" WHERE " condition)? (" LIMIT " [0-9]{1,3})? ";"
        columns ::= "*" | column (", " column)*
        column ::= name | ("COUNT" | "MAX") "(" ("*" | name) ")"
        table ::= name | "(" root ")"
        condition ::= condition (" AND " | " OR ") condition | "NOT " condition | "(" condition ")" | name " = " value
        value ::= [0-9]+ | "'" ([^'] | "''")* "'"
        name ::= [a-z_]+
        """,
        r"""
        start: "SELECT " columns " FROM " table [" WHERE " condition] [" LIMIT " /[0-9]{1,3}/] ";"
        columns: "*" | column (", " column)*
        column: NAME | ("COUNT" | "MAX") "(" ("*" | NAME) ")"
        table: NAME | "(" start ")"
        condition: condition (" AND " | " OR ") condition | "NOT " condition | "(" condition ")" | NAME " = " value
        value: /[0-9]+/ | "'" ( /[^']/ | "''")* "'"
        NAME: /[a-z_]+/
        """,
        (
            "SELECT * FROM t;",
            "SELECT a, COUNT(*) FROM (SELECT b FROM t;) WHERE NOT (a = 1 OR b = 'x''y') AND c = 2 LIMIT 10;",
        ),
        ("SELECT FROM t;", "SELECT a FROM t", "SELECT a FROM (t);", "SELECT a FROM t WHERE (a = 1;"),
    ),
}  # fmt: skip
