/**
 * What stands where in a sentence of the language, in words and as it is written: what messages say
 * is missing, and show as an example.
 *
 * @module
 */

/** What a clause is followed by: in words, and as written. */
const OPERANDS: Readonly<Record<string, readonly [what: string, example: string]>> = {
  from: ["an address", "from 192.0.2.0/24"],
  to: ["an address", "to 192.0.2.1"],
  sport: ["a port", "sport 1024-65535"],
  dport: ["a port", "dport { 80, 443 }"],
  type: ["an ICMP type", "type echo-request"],
  code: ["an ICMP code", "code port-unreachable"],
  exthdr: ["a header's name", "exthdr rt"],
  on: ["an interface", "in on eth0"],
  proto: ["a protocol", "proto gre"],
  mark: ["a mark", "mark 0x1/0xff"],
  length: ["a length", "length 0-128"],
  ttl: ["a number", "ttl 255"],
  dscp: ["a DSCP value", "dscp 46"],
  mac: ["a MAC address", "mac 02:00:00:00:00:01"],
  uid: ["a user", "uid 1000"],
  gid: ["a group", "gid 100"],
};

/** What else is followed by something. */
export const FOLLOWED: Readonly<Record<string, readonly [what: string, example: string]>> = {
  ...OPERANDS,
  fw: ["the version of the language", "fw 1"],
  include: ["a file name in quotes", 'include "lan.fw"'],
  define: ["a name", "define lan = br-lan"],
  set: ["a name", "set lan = { 10.0.0.0/8 }"],
  option: ["an option's name", "option queue 0"],
  chain: ["a name", "chain input default drop {"],
  default: ["accept, drop or reject", "chain input default drop {"],
  with: ["a way to reject", "reject with icmp-admin"],
  jump: ["a chain's name", "jump from-lan"],
  when: ["a clause", "when in on eth0 {"],
  in: ["`on` and an interface", "in on eth0"],
  out: ["`on` and an interface", "out on eth0"],
  flags: ["TCP flags", "flags syn/syn,ack"],
  state: ["states", "state established, related"],
  tuple: ["fields in parentheses", "tuple (from, dport) in @allowed"],
  limit: ["a rate", "limit 10/second burst 20"],
  over: ["a rate", "limit over 10/second"],
  burst: ["a number of packets", "limit 10/second burst 20"],
  per: ["a field", "limit 10/second per source"],
  time: ["hours", "time 08:00-18:00"],
  days: ["days", "time 08:00-18:00 days mon, tue"],
  until: ["a day", "until 2030-12-31"],
  every: ["a duration", 'log "spoof " every 10s'],
  label: ["a name", "label admin"],
  test: ["a name in quotes", 'test "ssh is closed" {'],
  expect: ["a chain and a verdict", "expect input drop tcp dport 22"],
  by: ["a label", "expect input accept by admin tcp dport 22"],
  timeout: ["a duration", "set seen : addr timeout 10m = {}"],
  size: ["a number", "set seen : addr size 1000 = {}"],
  file: ["a file name in quotes", 'set bad : addr file "bad.txt"'],
};

/** What stands in the middle of a sentence, by the token and what it belongs to. */
export const MISSING: Readonly<
  Record<string, Readonly<Record<string, readonly [string, string]>>>
> = {
  define: { Equals: ["`=`", "define lan = br-lan"] },
  set: { Equals: ["`=` and a list", "set lan = { 10.0.0.0/8 }"] },
  chainHead: { LBrace: ["`{`", "chain input default drop {"] },
  whenHead: { LBrace: ["`{` or a clause", "when in on eth0 {"] },
  testHead: { LBrace: ["`{`", 'test "ssh is closed" {'] },
  knownClause: { "'on'": ["`on`", "in on eth0"], "'mark'": ["`mark`", "set mark 0x1"] },
  tuple: {
    LParen: ["`(`", "tuple (from, dport) in @allowed"],
    RParen: ["`,` or `)`", "tuple (from, dport) in @allowed"],
    "'in'": ["`in`", "tuple (from, dport) in @allowed"],
    SetRef: ["a set", "tuple (from, dport) in @allowed"],
  },
  limit: { Slash: ["`/` and a unit", "limit 10/second"], Name: ["a unit", "limit 10/second"] },
  time: { Dash: ["`-` and an end", "time 08:00-18:00"], Clock: ["an hour", "time 08:00-18:00"] },
};

/** Words that stand in the middle of a sentence only, and what they are part of. */
export const PARTS: Readonly<Record<string, string>> = {
  ...{ default: "chain", with: "reject", by: "expect", over: "limit", burst: "limit" },
  ...{ per: "limit", days: "time", every: "log", timeout: "set", size: "set", file: "set" },
};

/** What follows a sign. */
export const VALUE_AFTER: Readonly<Record<string, string>> = {
  "!": "a value, `fragment` or states",
  "=": "a value",
  "-": "the end of the range",
  "/": "a number or a name",
  ",": "one more",
  ":": "a type",
};
export const EXAMPLE_AFTER: Readonly<Record<string, string>> = {
  "!": "from ! 10.0.0.0/8",
  "=": "define lan = br-lan",
  "-": "dport 1024-65535",
  "/": "limit 10/second",
  ",": "state established, related",
  ":": "set lan : addr = { 10.0.0.0/8 }",
};

/** Words that may stand in the middle of a sentence. */
export const WORDS_IN: Readonly<Record<string, readonly string[]>> = {
  chainHead: ["default", "log"],
  set: ["timeout", "size", "file"],
  expectation: ["accept", "drop", "reject", "deny"],
  verdict: ["accept", "drop", "reject"],
};
