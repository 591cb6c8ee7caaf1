import { assertEquals } from "@std/assert";
import { check } from "../../compiler/mod.ts";
import { printRules } from "../../compiler/policy/print.ts";

Deno.test("rules are printed as what is left when everything was carried out", () => {
  const { policy } = check(
    "print.fw",
    `set lan = { 10.0.0.0/8, fd00::/8 }
     set bad : addr timeout 1h = { }
     chain input default drop log "in " {
       drop from @bad label bad
       when in on { br-lan, wg* } {
         jump lan from @lan limit 10/minute per source/24
       }
       accept icmp time 22:00-06:00 days fri until 2030-12-31 label night
     }
     chain lan {
       return tcp dport ! 22
       accept tcp dport 22 set mark 1/0xf label ssh
     }`,
  );
  assertEquals(printRules(policy!), [
    "chain input",
    "      0  drop from @bad  label bad",
    "      1  accept tcp from { 10.0.0.0/8, fd00::/8 } dport 22 in on { br-lan, wg* }" +
    " limit 1/6s burst 5 per source/24|64  set mark 0x1/0xf label ssh",
    "      2  accept ipv4 icmp time 22:00-06:00 days fri until 2030-12-31  label night",
    '      3  drop any  log "in " label input:default',
  ]);
});
