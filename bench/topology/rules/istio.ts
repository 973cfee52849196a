// Istio's rules for a pod with default settings, in the formats of iptables-restore and nft.

const builtIn = `:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
`

const outboundChains = `:ISTIO_IN_REDIRECT - [0:0]
:ISTIO_OUTPUT - [0:0]
:ISTIO_REDIRECT - [0:0]
`

const outboundRules = `-A OUTPUT -p tcp -j ISTIO_OUTPUT
-A ISTIO_IN_REDIRECT -p tcp -j REDIRECT --to-ports 15006
-A ISTIO_OUTPUT -s 127.0.0.6/32 -o lo -j RETURN
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m tcp ! --dport 15008 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --uid-owner 1337 -j RETURN
-A ISTIO_OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m tcp ! --dport 15008 -m owner --gid-owner 1337 -j ISTIO_IN_REDIRECT
-A ISTIO_OUTPUT -o lo -m owner ! --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN
-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
-A ISTIO_OUTPUT -j ISTIO_REDIRECT
-A ISTIO_REDIRECT -p tcp -j REDIRECT --to-ports 15001
`

const exemptPorts = [15008, 15090, 15021, 15020]

/** `interceptionMode: REDIRECT`, the default. */
export const istioRedirect: string = `*nat
${builtIn}${outboundChains}:ISTIO_INBOUND - [0:0]
-A PREROUTING -p tcp -j ISTIO_INBOUND
${exemptPorts.map((port) => `-A ISTIO_INBOUND -p tcp -m tcp --dport ${port} -j RETURN\n`).join('')}\
-A ISTIO_INBOUND -p tcp -j ISTIO_IN_REDIRECT
${outboundRules}COMMIT
`

/** `interceptionMode: TPROXY`: inbound connections keep their addresses. Outbound ones are redirected as usual. */
export const istioTproxy: string = `*mangle
${builtIn}:ISTIO_DIVERT - [0:0]
:ISTIO_INBOUND - [0:0]
:ISTIO_TPROXY - [0:0]
-A PREROUTING -p tcp -j ISTIO_INBOUND
-A PREROUTING -p tcp -m mark --mark 1337 -j CONNMARK --save-mark
-A OUTPUT -o lo -p tcp -m mark --mark 1337 -j RETURN
-A OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m owner --uid-owner 1337 -j MARK --set-mark 1338
-A OUTPUT ! -d 127.0.0.1/32 -o lo -p tcp -m owner --gid-owner 1337 -j MARK --set-mark 1338
-A OUTPUT -p tcp -m connmark --mark 1337 -j CONNMARK --restore-mark
-A ISTIO_DIVERT -j MARK --set-mark 1337
-A ISTIO_DIVERT -j ACCEPT
-A ISTIO_INBOUND -p tcp -m mark --mark 1337 -j RETURN
-A ISTIO_INBOUND -s 127.0.0.6/32 -i lo -p tcp -j RETURN
-A ISTIO_INBOUND -i lo -p tcp -m mark ! --mark 1338 -j RETURN
${exemptPorts.map((port) => `-A ISTIO_INBOUND -p tcp -m tcp --dport ${port} -j RETURN\n`).join('')}\
-A ISTIO_INBOUND -p tcp -m conntrack --ctstate RELATED,ESTABLISHED -j ISTIO_DIVERT
-A ISTIO_INBOUND -p tcp -j ISTIO_TPROXY
-A ISTIO_TPROXY ! -d 127.0.0.1/32 -p tcp -j TPROXY --on-port 15006 --tproxy-mark 1337/0xffffffff
COMMIT
*nat
${builtIn}${outboundChains}${outboundRules}COMMIT
`

/** `nativeNftables`: the rules of REDIRECT without iptables. */
export const istioNft: string = `table inet istio-proxy-nat {
  chain prerouting {
    type nat hook prerouting priority -100
    meta l4proto tcp counter jump istio-inbound
  }
  chain output {
    type nat hook output priority -100
    counter jump istio-output
  }
  chain istio-inbound {
    tcp dport { ${exemptPorts.join(', ')} } counter return
    meta l4proto tcp counter jump istio-in-redirect
  }
  chain istio-in-redirect {
    meta l4proto tcp counter redirect to :15006
  }
  chain istio-redirect {
    meta l4proto tcp counter redirect to :15001
  }
  chain istio-output {
    oifname "lo" ip saddr 127.0.0.6 counter return
    oifname "lo" ip daddr != 127.0.0.1 tcp dport != 15008 meta skuid 1337 counter jump istio-in-redirect
    oifname "lo" meta skuid != 1337 counter return
    meta skuid 1337 counter return
    oifname "lo" ip daddr != 127.0.0.1 tcp dport != 15008 meta skgid 1337 counter jump istio-in-redirect
    oifname "lo" meta skgid != 1337 counter return
    meta skgid 1337 counter return
    ip daddr 127.0.0.1 counter return
    counter jump istio-redirect
  }
}
`
