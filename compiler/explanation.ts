/**
 * Why each code matters and how to mend it, for `lint --explain`.
 *
 * @module
 */
import { type Code, CODES } from "./diagnostic.ts";

/** What a person should know of a code: its severity and title, why it matters, what to do. */
export function explain(code: Code): string {
  const { severity, title } = CODES[code];
  return `${code} (${severity}): ${title}\n\n${WHY[code]}`;
}

const WHY: Readonly<Record<Code, string>> = {
  FW001: `A rule starts with accept, drop, reject, match, jump or return; a file holds include,
define, set, option, chain and test. Write one of these.`,
  FW002: `The line is written as for pf, nft, iptables, ufw or Suricata. The help shows the same
rule here. Mind that the first matching rule decides: there is no \`quick\` and no last match.`,
  FW003: `No clause begins with this word. Clauses are family (ipv4), protocol (tcp), addresses
(from, to), ports (sport, dport), interfaces (in on, out on), state, flags, type, label, log …`,
  FW004: `Something must stand here: the value of a clause, a name, a brace. The help shows how the
whole looks.`,
  FW005: `Members of a list are separated by commas: { 80, 443 }.`,
  FW006: `A string ends on the line it begins on, with a double quote.`,
  FW007:
    `A \`{\` has no \`}\`. Where the braces of a file do not add up, its indentation tells which
one is meant.`,
  FW008: `The character has no meaning in a rule file. Often it came with a copy from a web page
or a word processor, or the file is not UTF-8.`,
  FW009: `The word is one of the language, but cannot stand at this place.`,
  FW010: `The path is relative to the file that includes. A glob may fit no file, a plain name must
be there. A file that includes itself, on whatever way, would never end.`,
  FW011: `\`fw 1\` names the version of the language that the file is written in, so that a later
Barrage reads it as it was meant. Install a newer one for a newer file.`,
  FW012: `The word belongs to the language and this version does not carry it out. It is refused,
because a rule that is silently ignored is a hole.`,
  FW020: `The name is not defined in the file or in what it includes. \`$name\` is defined by
\`define name = …\`, \`@name\` by \`set name = { … }\`.`,
  FW021: `Two things have one name. A label is the identity of a rule in counters and logs, so it
must be unique too.`,
  FW022: `A constant or set that contains itself has no value. Name one of the two differently, or
write out what was meant.`,
  FW023: `A subroutine that leads back to itself would never end. Move what both need into a third
chain, and jump to that from both.`,
  FW024: `Packets enter input, forward and output from the kernel only. Move the rules to a chain of
another name, and jump to that.`,
  FW025: `A packet that no rule decides must have a verdict, and guessing it would be wrong in
half of all files. Say \`default drop\` or \`default accept\`.`,
  FW026: `A subroutine decides what its rules match; the rest goes on behind the jump. End it with a
rule without clauses if it shall decide everything.`,
  FW027: `A file without input, forward or output filters nothing. If it is there to be included,
lint the file that includes it.`,
  FW029: `No rule is read by a person at that depth of blocks, jumps or names. Move the inner rules
of blocks to a subroutine, and jump to it.`,
  FW030: `Options are settings of the engine, and a misspelt one that is ignored would be a setting
that is not made.`,
  FW031: `An option has one value of its own kind. Options are settings of the engine; those of the
command line win over those of the file. \`option lint FW501 off\` sets what the linter says.`,
  FW101: `Earlier rules decide every packet that this one describes, and some of them otherwise: the
rule looks as if it did something, and does nothing. Most often a wide rule stands above its
exception. The finding names the rules that really take the packets, with the share of each and one
such packet. Move the rule above them, or remove it.`,
  FW102: `Earlier rules decide every packet that this one describes, all with the same verdict.
Nothing changes without it, but for its counter. \`lint --fix\` removes it.`,
  FW103: `What this rule decides would be decided alike by the rules behind it. It is not wrong: it
may be there for its counter, its label, or to be quick. \`lint --fix\` removes it.`,
  FW104: `Earlier rules take a part of this rule's packets and decide otherwise. That is how an
exception above a wide rule looks, so it is only a warning where hardly anything is left.`,
  FW106: `Each of the two rules has packets of its own, they share some, and decide these
differently: exchanging the two lines would change the policy. Look whether the example packet is
decided as you want it. It is told with \`lint --all\` only.`,
  FW107:
    `The clauses of the rule leave no packet at all: a list and its own negation, say, or a flag
that the mask leaves out.`,
  FW108:
    `A rule without clauses above this one decides everything, so nothing gets here. Often it is
a \`drop\` that was tried out, and left.`,
  FW109: `The rules of the chain decide every packet, so its default decides none. It costs nothing,
but a reader will take it for what becomes of the rest.`,
  FW110: `The same rule stands above. \`lint --fix\` removes the second one.`,
  FW111: `The two rules differ in one list only, and one rule with both lists says the same. It is
shorter to read; counters and labels of the two become one.`,
  FW112: `Rules before the jump decide every packet that its subroutine would decide. From elsewhere
the subroutine is of use, so its rules are right; the jump is not, or stands too low.`,
  FW113:
    `127.0.0.0/8 and ::1 come in on \`lo\` only: the kernel drops them elsewhere, before this rule,
unless the sysctl route_localnet is set.`,
  FW198:
    `The decision tables are exact, and some combinations of many different lists need more room
than there is. Rules that differ in one field are better one rule with a list or a set.`,
  FW199: `The question whether this rule can decide anything cost more comparisons than are given to
one rule. Nothing is said of the rule: it may be good, or never match.`,
  FW201: `What is never used is usually a leftover, or the rule that should use it is missing or
names something else. \`lint --fix\` removes it.`,
  FW202: `No packet matches an empty set, so its rules do nothing, and with \`!\` they match all.`,
  FW203: `A set that holds one member and is used once hides the member from the reader.`,
  FW204: `The second mention changes nothing. It is often a slip for another value.`,
  FW205: `The wider member already holds this one. Either it is left over, or the wider one is
wider than was meant.`,
  FW206: `The two members are halves of one prefix or neighbouring numbers; one member says the
same more clearly.`,
  FW207: `Each clause wants values of its own type: dport wants ports, from wants addresses.`,
  FW208: `A tuple compares as many fields as the rows of its set have, in the same order and of the
same types.`,
  FW209: `A set file holds one member a line: an address, prefix or range, or values joined with
\` . \`. \`#\` and \`;\` begin a comment. A line that is silently left out would be a hole in a block
list, so it is an error. \`size\` is how many members a set has room for.`,
  FW210: `192.0.2.1/24 can mean the host or the network. It is taken as the network; write which.`,
  FW211: `A prefix of an IPv4 address has 0 to 32 bits, of an IPv6 address 0 to 128.`,
  FW212: `An IPv4 address is four numbers up to 255, without leading zeros, which some programs read
as octal. An IPv6 address has eight groups, or \`::\` once.`,
  FW213: `The first end of a range is the smaller one. A reversed range would match nothing.`,
  FW214: `The number does not fit the field of the packet, the day does not exist, or the setting is
beyond what the engine can do.`,
  FW215: `Port 0 is reserved. A rule for it is usually meant for any port: leave the clause out.`,
  FW216:
    `The kernel's names of interfaces have 1 to 15 bytes. \`*\` at the end stands for any ending.`,
  FW217: `Addresses such as ::ffff:192.0.2.1 exist inside programs, never on the wire. Write the
IPv4 address.`,
  FW218:
    `The word is no name that this clause knows. The note lists the names, and numbers are taken
wherever the protocol has numbers.`,
  FW219: `Marks are compared by the bits that the file's clauses test, and these are too many for
the tables. Let the clauses test the same few bits: \`mark 0x10/0xf0\`.`,
  FW301: `A packet to this host has no output interface and a packet from it no input interface.`,
  FW302: `Each clause narrows the rule, and these two leave nothing: no packet is both.`,
  FW401: `A rule without clauses, or a default of accept on input or forward, lets everything
through that was not thought of. Deny by default and accept what is wanted.`,
  FW402: `You are connected to this host over SSH, and this policy denies that connection, or that
you come back once it has ended. \`run\`, \`reload\` and \`apply\` refuse it without --force.`,
  FW403: `With a default of drop and no rule for established flows, the replies to this host's own
connections are dropped. Begin with \`accept state established, related\`.`,
  FW404: `State invalid is what conntrack could make nothing of. Accepting it lets forged and
out-of-window packets past the state rules.`,
  FW405: `A rule that names IPv4 addresses does not apply to IPv6. If the machine has IPv6, it is
then filtered by the default alone.`,
  FW406: `IPv6 finds its neighbours and its packet size by ICMPv6. Without packet-too-big and
neighbour discovery, connections hang or never begin (RFC 4890).`,
  FW407: `Without frag-needed, a sender never learns that its packets are too big, and large
transfers hang while small ones work. \`accept state related\` takes them.`,
  FW409: `Programs on one host talk over the interface lo: resolvers, data bases, mail. Accept it
first: \`accept in on lo\`, and \`accept out on lo\` in output.`,
  FW411: `A management port that the whole world can reach is found within minutes and tried for
years. Name the addresses or the interface that may use it.`,
  FW412: `A later fragment has no port numbers, so no rule with ports matches it, and here it is
accepted. Drop fragments, or use \`state\`, which has the kernel reassemble first.`,
  FW501:
    `Whoever can send packets can then fill the disk. \`every 10s\` writes one line with a count
of those left out.`,
  FW503: `A prefix should tell which rule wrote the line, and the kernel's own log keeps 63 bytes.`,
  FW506: `The rules that a chain begins with are given to the kernel where it can carry them out, so
that most packets never come to the queue. A rule that logs, has a limit, depends on the time or asks
a set that changes ends that, and here it is the first. If order allows, put after it what is rare.`,
  FW702: `The rule matches no packet any more. Remove it, or set a new day.`,
  FW703: `The rule will stop to match soon; whoever relies on it should know.`,
  FW704: `Newlines mean nothing, so \`tcp dport 22 accept\` continues the rule above with
\`tcp dport 22\` and begins a new rule that accepts everything. Write the verb first. A line that
begins with \`log\` or another clause is part of the rule above, however it is indented.`,
  FW705: `\`fmt\` writes every file in one form, so that a change shows what changed.`,
  FW799: `The finding that was to be ignored is not there. Remove the comment, or it may hide a
future one.`,
  FW801: `The expectation does not hold: the finding shows a packet of it, and the rule that decides
it otherwise. Either the rules are wrong, or the expectation asks for more than was meant.`,
  FW802: `No packet fits the clauses of this expectation, so it holds whatever the rules say.`,
  FW803: `No expectation of the file is about a packet that this rule decides. A later change of the
rule will go unnoticed.`,
};
