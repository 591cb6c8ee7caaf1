import { assertEquals, assertMatch } from "@std/assert";
import { check, lockout, readSession } from "../../compiler/mod.ts";

/** What FW402 says of a policy for a session, a line each. */
function lockouts(text: string, connection = "203.0.113.9 40000 192.0.2.1 22"): string[] {
  const { policy } = check("lockout.fw", text);
  return lockout(policy!, readSession(connection)!).map(({ message }) => message);
}

Deno.test("a policy that denies the session, or a new one from there, would lock out", () => {
  const [session, anew] = lockouts("chain input default drop { accept tcp dport 443 }");
  assertEquals(session, "input denies this session, which comes from 203.0.113.9 to port 22");
  assertEquals(anew, "input lets nobody come back from 203.0.113.9 to port 22");
  assertEquals(lockouts("chain input default drop { accept state established accept in on lo }"), [
    anew,
  ]);
  assertMatch(
    lockouts("chain output default drop { accept udp }").join(),
    /^output denies the replies of this session/,
  );
});

Deno.test("a policy that accepts the session in any way locks nobody out", () => {
  for (
    const text of [
      "chain input default accept { drop udp }",
      "chain input default drop { accept tcp from 203.0.113.0/24 dport 22 }",
      "chain input default drop { accept in on eth0 tcp dport 22 limit 5/minute }",
      "chain forward default drop {}",
      "chain input default drop { accept state established  accept tcp dport { 20-25 } flags syn/syn }",
    ]
  ) assertEquals(lockouts(text), [], text);
  const v6 = "2001:db8::9 40000 2001:db8::1 22";
  assertEquals(lockouts("chain input default drop { accept ipv6 }", v6), []);
  assertEquals(lockouts("chain input default drop { accept ipv4 }", v6).length, 2);
  const own = "127.0.0.1 40000 127.0.0.1 22";
  assertEquals(lockouts("chain input default drop { accept in on lo }", own), []);
});

Deno.test("a session of link-local addresses is one, whatever interface stands behind them", () => {
  const session = "fe80::9%eth0 40000 fe80::1%eth0 22";
  assertEquals(
    lockouts("chain input default drop { accept tcp from fe80::9 dport 22 }", session),
    [],
  );
  assertEquals(
    lockouts("chain input default drop { accept tcp from fe80::8 dport 22 }", session)[0],
    "input denies this session, which comes from fe80::9 to port 22",
  );
});

Deno.test("what is no SSH_CONNECTION tells of no session", () => {
  for (const text of ["", "here 1 there 2", "10.0.0.1 x 10.0.0.2 22", "10.0.0.1 1 10.0.0.2"]) {
    assertEquals(readSession(text), undefined);
  }
});
