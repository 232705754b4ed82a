"""联网赋码的示例客户端：取得凭证，送达，重送，改错，终止，查回执。只用 Python 标准库。

用法：API=http://127.0.0.1:8600 CLIENT_ID=… CLIENT_SECRET=… python3 connected_client.py
先用联调客户端（sandbox）试：一切照办，但不写入登记。送达编号由您的系统自己取，每件一个，重送不变。
"""

import json
import os
import sys
import time
from argparse import ArgumentParser, RawTextHelpFormatter
from base64 import b64encode
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

DELIVERIES = "/api/certificates/deliveries"


def request(
    method: str, path: str, expected: int, authorization: str, content: dict[str, Any] | str = ""
) -> Any:
    """请求一次，返回答复；应得的 HTTP 状态不对就停下。遇到 429、503 和断线，用同一内容重试。"""
    asked = Request(os.environ["API"] + path, method=method)
    asked.add_header("Authorization", authorization)
    if isinstance(content, str):
        asked.add_header("Content-Type", "application/x-www-form-urlencoded")
        asked.data = content.encode() or None
    else:
        asked.add_header("Content-Type", "application/json")
        asked.data = json.dumps(content).encode()
    status, text = 0, b""
    for pause in (1, 2, 4, None):
        try:
            with urlopen(asked, timeout=60) as answer:
                status, text = answer.status, answer.read()
        except HTTPError as refused:
            status, text = refused.code, refused.read()
        except URLError as lost:
            status, text = 0, str(lost.reason).encode()
        if status not in (0, 429, 503) or pause is None:
            break
        time.sleep(pause)
    if status != expected:
        sys.exit(f"{method} {path} 应得 {expected}，得到 {status}：{text.decode()}")
    return json.loads(text)


def main() -> None:
    """走一遍全部步骤，每步打印一行。"""
    parser = ArgumentParser(description=__doc__, formatter_class=RawTextHelpFormatter)
    parser.add_argument("institution", nargs="?", default="demo-connected", help="机构编号")
    parser.add_argument("region", nargs="?", default="350102", help="监管区域")
    given = parser.parse_args()
    run = os.environ.get("RUN") or time.strftime("%Y%m%d%H%M%S")

    # 密钥取自环境而不是命令行，别人看不到。
    secret = f"{os.environ['CLIENT_ID']}:{os.environ['CLIENT_SECRET']}".encode()
    basic = f"Basic {b64encode(secret).decode()}"
    granted = request("POST", "/api/connected/token", 200, basic, "grant_type=client_credentials")
    token = f"Bearer {granted['access_token']}"
    trial = "是" if granted["sandbox"] else "否"
    print(f"凭证：{granted['scope']}，{granted['expires_in']} 秒内有效，联调：{trial}")

    issue: dict[str, Any] = {
        "version": 1,
        "delivery_id": f"{run}-1",
        "action": "issue",
        "content": {
            "institution": given.institution,
            "holder": "示例检测有限公司（生成）",
            "uscc": "91620102739638125B",
            "address": "示例市示例路1号",
            "level": "provincial",
            "issuer": granted["scope"],
            "field": "01",
            "industry": "06",
            "capabilities": [
                {
                    "category": "混凝土",
                    "item": "抗压强度",
                    "standard": "GB/T 50081",
                    "year": "2019",
                }
            ],
            "signatories": [{"name": "示例签字人（生成）", "field": "建筑工程"}],
        },
        "decision": {
            "approved_on": "2025-03-21",
            "document": "示例市监许准〔2025〕1号（示例）",
            "approver": "示例批准人（生成）",
        },
        "institution": {"region": given.region, "legal_person": True},
    }
    receipt = request("POST", DELIVERIES, 200, token, issue)
    number = receipt["number"]
    print(f"送达：编号 {number}，{receipt['status_label']}，有效期到 {receipt['valid_to']}")
    print(f"二维码：{receipt['qr'][:60]}…")

    if request("POST", DELIVERIES, 200, token, issue) == receipt:
        print("重送：同一回执，没有第二张证书")

    wrong = issue | {
        "delivery_id": f"{run}-2",
        "content": issue["content"] | {"uscc": "91620102739638125A", "field": "99"},
    }
    problem = request("POST", DELIVERIES, 422, token, wrong)
    print(f"两处有误：{problem['code']}")
    for error in problem["errors"]:
        print(f"  {error['pointer']}  {error['code']}  {error['message']}")

    end = {
        "version": 1,
        "delivery_id": f"{run}-3",
        "action": "end",
        "number": number,
        "ending": "deregistered",
        "on": receipt["issued_on"],
        "document": "示例市监注〔2025〕1号（示例）",
        "reason": "机构申请注销（示例）",
        "approver": "示例批准人（生成）",
    }
    ended = request("POST", DELIVERIES, 200, token, end)
    print(f"终止：编号 {ended['number']}，{ended['status_label']}")

    kept = request("GET", f"{DELIVERIES}/{run}-3", 200, token)
    if kept["receipt"] == ended:
        print("查回执：与当时答复的一致")


if __name__ == "__main__":
    main()
