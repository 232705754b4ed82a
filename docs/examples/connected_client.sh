#!/usr/bin/env bash
# 联网赋码的示例客户端：取得凭证，送达，重送，改错，终止，查回执。只用 bash、curl、jq。
#
# 用法：API=http://127.0.0.1:8600 CLIENT_ID=… CLIENT_SECRET=… connected_client.sh [机构编号] [监管区域]
# 先用联调客户端（sandbox）试：一切照办，但不写入登记。送达编号由您的系统自己取，每件一个，重送不变。
set -euo pipefail
: "${API:?请设定接口地址，如 http://127.0.0.1:8600}"
: "${CLIENT_ID:?请设定客户端编号}" "${CLIENT_SECRET:?请设定客户端密钥}"
institution=${1:-demo-connected}
region=${2:-350102}
run=${RUN:-$(date +%Y%m%d%H%M%S)}

# 密钥写进 curl 的配置而不是命令行，别人看不到。
answer=$(curl --silent --show-error --fail-with-body --config - <<CURL
url = "$API/api/connected/token"
user = "$CLIENT_ID:$CLIENT_SECRET"
data = "grant_type=client_credentials"
CURL
)
token=$(jq -r .access_token <<<"$answer")
authority=$(jq -r .scope <<<"$answer")
echo "凭证：$authority，$(jq -r .expires_in <<<"$answer") 秒内有效，联调：$(jq -r .sandbox <<<"$answer")"

# 请求一次，应得的 HTTP 状态不对就停下；遇到 429、503 和断线，用同一内容重试。
request() { # 方法 路径 应得的状态 [内容]
  local output status
  output=$(curl --silent --show-error --retry 3 --retry-connrefused --config - \
    --request "$1" --write-out '\n%{http_code}' ${4:+--data-binary "$4"} "$API$2" <<CURL
header = "Authorization: Bearer $token"
header = "Content-Type: application/json"
CURL
  )
  status=${output##*$'\n'}
  output=${output%$'\n'*}
  if [ "$status" != "$3" ]; then
    echo "$1 $2 应得 $3，得到 $status：$output" >&2
    return 1
  fi
  printf '%s' "$output"
}

deliveries=/api/certificates/deliveries
issue=$(jq -n --arg id "$run-1" --arg institution "$institution" --arg region "$region" \
  --arg issuer "$authority" '{
  version: 1, delivery_id: $id, action: "issue",
  content: {
    institution: $institution, holder: "示例检测有限公司（生成）", uscc: "91620102739638125B",
    address: "示例市示例路1号", level: "provincial", issuer: $issuer, field: "01", industry: "06",
    capabilities: [
      {category: "混凝土", item: "抗压强度", standard: "GB/T 50081", year: "2019"}
    ],
    signatories: [{name: "示例签字人（生成）", field: "建筑工程"}]
  },
  decision: {
    approved_on: "2025-03-21", document: "示例市监许准〔2025〕1号（示例）", approver: "示例批准人（生成）"
  },
  institution: {region: $region, legal_person: true}
}')

receipt=$(request POST "$deliveries" 200 "$issue")
number=$(jq -r .number <<<"$receipt")
echo "送达：编号 $number，$(jq -r .status_label <<<"$receipt")，有效期到 $(jq -r .valid_to <<<"$receipt")"
echo "二维码：$(jq -r .qr <<<"$receipt" | cut -c 1-60)…"

again=$(request POST "$deliveries" 200 "$issue")
[ "$again" = "$receipt" ] && echo "重送：同一回执，没有第二张证书"

wrong=$(jq --arg id "$run-2" \
  '.delivery_id = $id | .content.uscc = "91620102739638125A" | .content.field = "99"' <<<"$issue")
problem=$(request POST "$deliveries" 422 "$wrong")
echo "两处有误：$(jq -r .code <<<"$problem")"
jq -r '.errors[] | "  \(.pointer)  \(.code)  \(.message)"' <<<"$problem"

end=$(jq -n --arg id "$run-3" --arg number "$number" --arg on "$(jq -r .issued_on <<<"$receipt")" '{
  version: 1, delivery_id: $id, action: "end", number: $number, ending: "deregistered", on: $on,
  document: "示例市监注〔2025〕1号（示例）", reason: "机构申请注销（示例）", authoriser: "示例批准人（生成）"
}')
ended=$(request POST "$deliveries" 200 "$end")
echo "终止：编号 $(jq -r .number <<<"$ended")，$(jq -r .status_label <<<"$ended")"

kept=$(request GET "$deliveries/$run-3" 200)
[ "$(jq -S .receipt <<<"$kept")" = "$(jq -S . <<<"$ended")" ] && echo "查回执：与当时答复的一致"
