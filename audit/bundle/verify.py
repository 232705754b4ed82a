"""Verifies an exported part of the record, with nothing but Python's standard library.

    python3 -I verify.py [--keys FILE]

in the unpacked folder. Exit code 0: everything here is what was recorded, and nothing is missing.
1: it is not; the first wrong row is named. ``--keys`` is the list of keys as it was published
elsewhere: without it, the list in this folder is taken at its word.

What is checked: the list of files and its signature; the hash of every file; each chain of the
journal and of the refusals, step by step; contents, reasons, rule sets and histories against their
hashes, as far as they are here; the checkpoints' chain and signatures, and that the heads of the
chains are among what they seal. Hashes are SHA-256 of canonical JSON (RFC 8785), trees are those
of RFC 6962, signatures are Ed25519 (RFC 8032). Nothing is changed, no network is asked.
"""

import hashlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
GENESIS = "0" * 64


class Wrong(Exception):
    """The first thing that is wrong, in words."""


def require(holds, told):
    """Ends the whole verification unless something holds."""
    if not holds:
        raise Wrong(told)


# --- canonical JSON (RFC 8785) --------------------------------------------------------------------


def canonical(value):
    """The canonical JSON of a value, in UTF-8."""
    return "".join(_written(value)).encode("utf-8")


def _written(value):
    if isinstance(value, dict):
        mark = "{"
        for name in sorted(value, key=lambda name: name.encode("utf-16-be")):
            yield mark + json.dumps(name, ensure_ascii=False) + ":"
            yield from _written(value[name])
            mark = ","
        yield "{}" if mark == "{" else "}"
    elif isinstance(value, list):
        mark = "["
        for one in value:
            yield mark
            yield from _written(one)
            mark = ","
        yield "[]" if mark == "[" else "]"
    elif isinstance(value, float):
        yield _number(value)
    else:
        yield json.dumps(value, ensure_ascii=False)


def _number(value):
    """A number as ECMAScript writes it: the shortest digits, an exponent only far from 1."""
    if value == 0:
        return "0"
    sign, text = ("-", repr(-value)) if value < 0 else ("", repr(value))
    digits, _, exponent = text.partition("e")
    whole, _, part = digits.partition(".")
    part = "" if part == "0" else part
    point = len(whole) + int(exponent or "0")
    figures = (whole + part).lstrip("0")
    point -= len(whole + part) - len(figures)
    figures = figures.rstrip("0")
    if 0 < point <= 21:
        body = figures.ljust(point, "0")
        return sign + body[:point] + ("." + body[point:] if len(body) > point else "")
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + figures
    power = point - 1
    tail = "." + figures[1:] if len(figures) > 1 else ""
    return sign + figures[0] + tail + "e" + ("+" if power > 0 else "-") + str(abs(power))


def sha256_of(value):
    """Lowercase hex SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()


# --- Ed25519 (RFC 8032, section 5.1) --------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)
BASE_Y = 4 * pow(5, P - 2, P) % P


def _x_of(y, odd):
    """The x of a point by its y, None if there is none."""
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if odd else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P:
        return None
    return P - x if (x & 1) != odd else x


def _point(y, odd):
    x = _x_of(y, odd)
    return None if x is None else (x, y, 1, x * y % P)


def _sum(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(number, point):
    total = (0, 1, 1, 0)
    while number:
        if number & 1:
            total = _sum(total, point)
        point = _sum(point, point)
        number >>= 1
    return total


def _decoded(raw):
    number = int.from_bytes(raw, "little")
    return _point(number & (2**255 - 1), number >> 255)


def signed_by(public, message, signature):
    """Whether a signature over a message was made with the private half of a public key."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, point = _decoded(public), _decoded(signature[:32])
    number = int.from_bytes(signature[32:], "little")
    if key is None or point is None or number >= L:
        return False
    hashed = hashlib.sha512(signature[:32] + public + message).digest()
    right = _sum(point, _times(int.from_bytes(hashed, "little") % L, key))
    left = _times(number, _point(BASE_Y, 0))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (
        left[1] * right[2] - right[1] * left[2]
    ) % P == 0


# --- Merkle trees (RFC 6962, section 2.1) ---------------------------------------------------------


def leaf_hash(row):
    return hashlib.sha256(b"\x00" + row).digest()


def joined(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(rows):
    full = []
    for row in rows:
        height, hash_ = 0, leaf_hash(row)
        while full and full[-1][0] == height:
            height, hash_ = height + 1, joined(full.pop()[1], hash_)
        full.append((height, hash_))
    if not full:
        return hashlib.sha256(b"").hexdigest()
    hash_ = full.pop()[1]
    while full:
        hash_ = joined(full.pop()[1], hash_)
    return hash_.hex()


# --- the folder -----------------------------------------------------------------------------------


def rows_of(name):
    """The rows of a file of JSON lines, with their places; none if the file is not there."""
    file = HERE / name
    if not file.exists():
        return
    with file.open(encoding="utf-8") as lines:
        for place, line in enumerate(lines, 1):
            try:
                yield place, json.loads(line)
            except ValueError:
                raise Wrong(f"{name} 第 {place} 行不是 JSON") from None


def check_files():
    """The list of files, every file's hash, and nothing beside them."""
    raw = (HERE / "manifest.json").read_bytes()
    manifest = json.loads(raw)
    wanted = manifest["files"]
    there = {
        str(one.relative_to(HERE)).replace("\\", "/") for one in HERE.rglob("*") if not one.is_dir()
    }
    for name in sorted(wanted):
        require(name in there, f"文件 {name} 不在")
        with (HERE / name).open("rb") as file:
            found = (
                hashlib.file_digest(file, "sha256").hexdigest()
                if sys.version_info >= (3, 11)
                else hashlib.sha256(file.read()).hexdigest()
            )
        require(found == wanted[name], f"文件 {name} 与清单里的哈希不符")
    for name in sorted(there - set(wanted) - {"manifest.json", "manifest.sig.json"}):
        raise Wrong(f"文件 {name} 不在清单里")
    require("verify.py" in wanted, "清单里没有 verify.py")
    return raw, manifest


def keys_of(arguments):
    """The published keys by id; those given from elsewhere count before those in the folder."""
    own = HERE / "keys.json"
    file = Path(arguments[arguments.index("--keys") + 1]) if "--keys" in arguments else own
    if not file.exists():
        return {}
    return {one["id"]: one for one in json.loads(file.read_bytes())["keys"]}


def check_signature(raw, keys):
    """The list of files is signed with a published key, or with none while there are none."""
    written = (HERE / "manifest.sig.json").read_bytes()
    signed = json.loads(written)
    require(canonical(signed) == written, "清单的签名被改动")
    require(signed["signature"] == signed["signature"].lower(), "清单的签名被改动")
    require(signed["sha256"] == hashlib.sha256(raw).hexdigest(), "清单被改动")
    require(set(signed) == {"sha256", "key", "signature"}, "清单的签名被改动")
    if not signed["key"]:
        require(not keys and signed["signature"] == "", "清单没有签名")
        return ""
    _check_key(keys, signed["key"], raw, signed["signature"], "清单")
    return signed["key"]


def _check_key(keys, key, message, signature, what):
    require(key in keys, f"{what}：签名所用的密钥 {key} 不在密钥表里")
    require(keys[key].get("retired") is None, f"{what}：密钥 {key} 已作废")
    public, given = bytes.fromhex(keys[key]["public_key"]), bytes.fromhex(signature)
    require(signed_by(public, message, given), f"{what}：签名与内容不符，或不是由密钥 {key} 签的")


def check_journal(manifest):
    """Every chain, step by step; returns the heads, and what the steps vouch for."""
    heads, vouched, notes, rules = {}, {}, set(), set()
    for place, row in rows_of("journal.jsonl"):
        step = row["step"]
        case_id, sequence = step["case_id"], step["sequence"]
        where = f"{case_id} 第 {sequence} 步（journal.jsonl 第 {place} 行）"
        before, head = heads.get(case_id, (0, GENESIS))[:2]
        require(sequence == before + 1, f"{where}：前一步不是第 {sequence - 1} 步")
        require(step["previous_hash"] == head, f"{where}：不接前一步的哈希")
        require(sha256_of(step) == row["hash"], f"{where}：内容与其哈希不符")
        heads[case_id] = sequence, row["hash"]
        vouched[case_id, sequence] = row["hash"]
        body = step["body"]
        if step["note_sha256"]:
            notes.add(step["note_sha256"])
        if isinstance(body.get("ruleset"), dict):
            rules.add(body["ruleset"]["sha256"])
        if step["event"] == "submitted" and body.get("content_sha256"):
            vouched[case_id, "revision", body["revision"]] = body["content_sha256"]
    wanted = {one["case_id"]: (one["sequence"], one["head"]) for _, one in rows_of("cases.jsonl")}
    for case_id, end in sorted(wanted.items()):
        require(heads.get(case_id) == end, f"{case_id}：日志没有到第 {end[0]} 步，或末尾不同")
    require(set(manifest["chains"]) == set(heads), "日志里的件与清单不同")
    return heads, vouched, notes, rules


def check_refusals():
    heads = {}
    for place, row in rows_of("refusals.jsonl"):
        hashed = {name: row[name] for name in row if name != "hash"}
        number, head = heads.get(row["case_id"], (0, GENESIS))
        where = f"{row['case_id']} 第 {row['number']} 次拒绝（refusals.jsonl 第 {place} 行）"
        require((row["number"], row["previous_hash"]) == (number + 1, head), f"{where}：不相连")
        require(sha256_of(hashed) == row["hash"], f"{where}：内容与其哈希不符")
        heads[row["case_id"]] = number + 1, row["hash"]


def check_contents(vouched, notes, rules):
    """Contents and reasons against their hashes; what is left out keeps its hash."""
    there = {}
    for place, row in rows_of("revisions.jsonl"):
        where = f"{row['case_id']} 第 {row['revision']} 稿（revisions.jsonl 第 {place} 行）"
        there[row["case_id"], "revision", row["revision"]] = row["sha256"]
        if "content" in row:
            require(sha256_of(row["content"]) == row["sha256"], f"{where}：内容与其哈希不符")
    for key, sha256 in vouched.items():
        if len(key) == 3:
            require(there.get(key) == sha256, f"{key[0]} 第 {key[2]} 稿不是所提交的内容")
    kept = set()
    for place, row in rows_of("notes.jsonl"):
        kept.add(row["sha256"])
        if "note" in row:
            told = f"notes.jsonl 第 {place} 行：内容与其哈希不符"
            require(sha256_of(row["note"]) == row["sha256"], told)
    require(notes <= kept, f"理由 {min(notes - kept, default='')} 不在")
    for sha256 in sorted(rules):
        file = HERE / "rule-sets" / f"{sha256}.json"
        require(file.exists(), f"规则集 {sha256} 不在")
        document = json.loads(file.read_bytes())
        require(sha256_of(document) == sha256, f"规则集 {sha256} 与其哈希不符")
    for place, row in rows_of("histories.jsonl"):
        found = hashlib.sha256((HERE / row["file"]).read_bytes()).hexdigest()
        told = f"histories.jsonl 第 {place} 行：{row['case_id']} 的流程历史与其哈希不符"
        require(found == row["sha256"], told)


def check_checkpoints(keys, heads, vouched):
    """The chain of checkpoints, and that the heads of the last one are those of the journal."""
    previous, last = GENESIS, None
    for place, row in rows_of("checkpoints.jsonl"):
        body, what = row["body"], f"第 {place} 个封存点"
        require(body["number"] == place, f"{what}：编号不对")
        require(body["previous"] == previous, f"{what}：不接前一个的哈希")
        require(sha256_of(body) == row["sha256"], f"{what}：内容与其哈希不符")
        require(body["key"] == row["key"], f"{what}：密钥名称不符")
        if row["key"]:
            _check_key(keys, row["key"], canonical(body), row["signature"], what)
        previous, last = row["sha256"], body
    if last is None:
        return 0, 0
    sealed = 0
    leaves = [row for _, row in rows_of("heads.jsonl")]
    if leaves:
        require(root_of(canonical(one) for one in leaves) == last["heads"]["root"],
                "各件的末尾与封存点的根不符")  # fmt: skip
        require(len(leaves) == last["heads"]["count"], "各件的数目与封存点不符")
    for _, row in rows_of("ways.jsonl"):
        hash_ = leaf_hash(canonical(row["leaf"]))
        for side, other in row["way"]:
            beside = bytes.fromhex(other)
            hash_ = joined(beside, hash_) if side == "left" else joined(hash_, beside)
        require(hash_.hex() == last["heads"]["root"], f"{row['leaf']['case_id']} 不在封存点里")
        leaves.append(row["leaf"])
    for leaf in leaves:
        if leaf["case_id"] not in heads:
            continue
        sealed += 1
        told = f"{leaf['case_id']} 第 {leaf['sequence']} 步不是封存时的那一步"
        require(vouched.get((leaf["case_id"], leaf["sequence"])) == leaf["hash"], told)
    return last["number"], sealed


def main(arguments):
    raw, manifest = check_files()
    keys = keys_of(arguments)
    key = check_signature(raw, keys)
    heads, vouched, notes, rules = check_journal(manifest)
    check_refusals()
    check_contents(vouched, notes, rules)
    number, sealed = check_checkpoints(keys, heads, vouched)
    check_files()
    print(
        f"{manifest['what']}：{len(heads)} 件，{sum(one[0] for one in heads.values())} 步，相符。"
    )
    print(f"其中 {sealed} 件的末尾由第 {number} 个封存点封存。" if number else "没有封存点。")
    for name in sorted(keys):
        print(f"密钥 {name}：{keys[name]['public_key']}")
    if key and "--keys" not in arguments:
        print("密钥取自本文件夹；请与公布的密钥表核对，或用 --keys 指明公布的密钥表。")
    return manifest


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Wrong as wrong:
        raise SystemExit(f"不符：{wrong}") from None
    except Exception as unreadable:
        raise SystemExit(
            f"不符：内容读不出来（{type(unreadable).__name__}：{unreadable}）"
        ) from None
