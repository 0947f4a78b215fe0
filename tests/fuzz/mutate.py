"""Mutations of DER and PEM: of the element tree, of the bytes, and of the surrounding text."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from random import Random

from stock import pem, tlv

# Elements that are put in the place of others: edge cases of ASN.1 types.
ODD = [
    tlv(5), tlv(2), tlv(2, b"\0"), tlv(2, b"\xff" * 20), tlv(2, b"\0" + b"\xff" * 4096), tlv(3),
    tlv(3, b"\x07"),
    tlv(3, b"\x08\xff"), tlv(3, b"\0"), tlv(4), tlv(6), tlv(6, b"\x80"), tlv(6, b"\xff" * 200),
    tlv(12, b"\xff\xfe"),
    tlv(12, b"a\0b"), tlv(19, b"\xff"), tlv(22, b"a\0.example"), tlv(23, b"99"),
    tlv(23, b"991332256199Z"),
    tlv(24, b"99991231235959Z"), tlv(24, b"00000101000000Z"), tlv(28, b"\0\0\0"),
    tlv(28, b"\0\xff\xff\xff"),
    tlv(30, b"\xd8\0"), tlv(30, b"a"), tlv(48), tlv(49), tlv(1, b"\1"), tlv(1), tlv(0xA0),
    tlv(0x82, b"a\0b"),
    tlv(0x87, b"123"), tlv(0x87, b""), tlv(10, b"\xff" * 9), tlv(13, b"\1"), tlv(9, b"\x80"),
    tlv(20, b"\xe9"),
]  # fmt: skip

# DEK-Info headers (RFC 1421, 4.6.1.3), most of them wrong.
CIPHERS = [
    b"AES-128-CBC,00",
    b"AES-128-CBC," + b"0" * 32,
    b"DES-EDE3-CBC," + b"g" * 16,
    b"AES-128-GCM," + b"0" * 24,
    b"ID-AES128-WRAP," + b"0" * 16,
    b"RC4,",
    b"X",
    b"AES-256-CBC",
]


@dataclass
class Node:
    """An element: its tag, what stands before its elements, and these or its content."""

    tag: int
    content: bytes = b""
    prefix: bytes = b""
    children: list[Node] = field(default_factory=list)

    def encode(self) -> bytes:
        """Encode in DER, with lengths that fit."""
        if not self.children:
            return tlv(self.tag, self.prefix, self.content)
        return tlv(self.tag, self.prefix, *(child.encode() for child in self.children))

    def all(self) -> list[Node]:
        """Return this element and all below it."""
        return [self, *(node for child in self.children for node in child.all())]


def parse(data: bytes) -> list[Node]:
    """Return the elements of DER; raise ValueError if it is none."""
    nodes = []
    at = 0
    while at < len(data):
        if len(data) - at < 2 or data[at] & 31 == 31:
            raise ValueError("no DER")
        tag, size, start = data[at], data[at + 1], at + 2
        if size >= 128:
            octets = size - 128
            size, start = int.from_bytes(data[start : start + octets], "big"), start + octets
            if not 0 < octets < 5:
                raise ValueError("no DER")
        if start + size > len(data):
            raise ValueError("no DER")
        nodes.append(_node(tag, data[start : start + size]))
        at = start + size
    return nodes


def _node(tag: int, content: bytes) -> Node:
    if tag & 32 and content:
        return Node(tag, children=parse(content))
    if tag in (3, 4) and len(content) > 3:
        # Keys and extensions lie in octet strings and bit strings.
        prefix = content[:1] if tag == 3 else b""
        try:
            return Node(tag, prefix=prefix, children=parse(content[len(prefix) :]))
        except ValueError:
            pass
    return Node(tag, content)


def der(random: Random, data: bytes, others: list[bytes]) -> bytes:
    """Mutate DER; elements may come from `others`."""
    try:
        (root,) = parse(data)
    except ValueError:
        return flip(random, data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        change(random, root, others)
    limit_iterations(root)
    made = root.encode()
    return flip(random, made) if random.random() < 0.2 else made


def change(random: Random, root: Node, others: list[bytes]) -> None:
    """Change one element of the tree."""
    nodes = root.all()
    node = random.choice(nodes)
    choice = random.randrange(10)
    if choice == 0:
        node.tag = random.choice(
            (1, 2, 3, 4, 5, 6, 10, 12, 19, 22, 23, 24, 30, 48, 49, 0xA0, 0x82, node.tag ^ 32)
        )
    elif choice == 1 and node.children:
        del node.children[random.randrange(len(node.children))]
    elif choice == 2 and node.children:
        node.children.insert(0, random.choice(node.children))
    elif choice in (3, 4):
        replace(node, parse(random.choice(ODD))[0])
    elif choice == 5 and others:
        try:
            donors = [each for root in parse(random.choice(others)) for each in root.all()]
        except ValueError:
            return
        same = [each for each in donors if each.tag == node.tag]
        replace(node, random.choice(same or donors))
    elif choice == 6:
        same = [each for each in nodes if each.tag == node.tag and each.tag != 48]
        replace(node, random.choice(same or nodes[-1:]))
    elif choice == 7 and not node.children:
        node.content = random.choice(
            (
                b"",
                b"\0",
                b"\xff" * 9,
                node.content * 50,
                node.content[:-1],
                bytes(70000),
                node.content + b"\0",
            )
        )
    elif choice == 8 and len(node.children) > 1:
        random.shuffle(node.children)
    elif not node.children:
        node.content = flip(random, node.content)


def limit_iterations(root: Node) -> None:
    """Bound what follows a salt: iterations (RFC 8018, appendix A.2), which take hours if large."""
    for node in root.all():
        for salt, count in zip(node.children, node.children[1:]):
            if (salt.tag, count.tag) == (4, 2) and 2 < len(count.content) <= 8:
                count.content = b"\1"


def replace(node: Node, other: Node) -> None:
    """Put another element's content in the place of this one's, but not one that contains it."""
    if not any(each is node for each in other.all()):
        node.tag, node.content, node.prefix = other.tag, other.content, other.prefix
        node.children = list(other.children)


def flip(random: Random, data: bytes) -> bytes:
    """Change bytes: flip, cut, insert, repeat."""
    made = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 8))):
        at = random.randrange(len(made) + 1)
        choice = random.randrange(5)
        if choice < 2 and at < len(made):
            made[at] ^= 1 << random.randrange(8)
        elif choice == 2 and at < len(made):
            made[at] = random.choice((0, 1, 127, 128, 129, 132, 255))
        elif choice == 3:
            del made[at : at + random.choice((1, 2, 16))]
        else:
            made[at:at] = random.choice((b"\0", b"\xff\xff", bytes(made[:20]), b"\x30\x80"))
    return bytes(made)


def text(random: Random, data: bytes) -> bytes:
    """Mutate PEM as text: its boundaries, its headers, its lines."""
    lines = data.split(b"\n")
    at = random.randrange(len(lines))
    choice = random.randrange(8)
    if choice == 0:
        lines[0] = random.choice(
            (b"-----BEGIN-----", b"-----BEGIN X-----", b"-----BEGIN " + b"A" * 5000 + b"-----")
        )
    elif choice == 1:
        lines[1:1] = [b"Proc-Type: 4,ENCRYPTED", b"DEK-Info: " + random.choice(CIPHERS), b""]
    elif choice == 2:
        del lines[at]
    elif choice == 3:
        lines[at] = lines[at] * random.choice((2, 100))
    elif choice == 4:
        lines.insert(
            at, random.choice((b"", b"\0", b"=", b"====", b"a: b", b" " * 300, b"-----END X-----"))
        )
    elif choice == 5:
        return data * random.choice((2, 3))
    elif choice == 6:
        return data.replace(b"\n", random.choice((b"\r\n", b"\r", b"", b"\n\n")))
    else:
        return flip(random, data)
    return b"\n".join(lines)


def blocks(data: bytes) -> list[tuple[str, bytes]]:
    """Return the label and the DER of each PEM block that has no headers."""
    found = []
    for block in data.split(b"-----BEGIN ")[1:]:
        label, _, rest = block.partition(b"-----\n")
        body = rest.partition(b"-----END")[0]
        if b":" not in body:
            found.append((label.decode(), base64.b64decode(body)))
    return found


def whole(random: Random, data: bytes, others: list[bytes]) -> bytes:
    """Mutate PEM: in most cases the DER in it."""
    if random.random() < 0.2:
        return text(random, data)
    found = blocks(data)
    if not found:
        return text(random, data)
    chosen = random.randrange(len(found))
    return b"".join(
        pem(label, der(random, content, others) if place == chosen else content)
        for place, (label, content) in enumerate(found)
    )
