/** I1, I2, I6, I11 and I12 on the answers that senders had: each is compared with what its lane holds. */
import type { LaneEvent } from '../../schema/events.ts';
import { type Command, commandName, type LaneFacts, memberAt, wrote } from './facts.ts';
import type { Attempt, Invariant, Violation } from './trace.ts';

/** After such an answer the command was certainly not done by that attempt. */
const CERTAIN_ERRORS = new Set([
  'UNAVAILABLE',
  'RATE_LIMITED',
  'BAD_USER_INPUT',
  'UNAUTHENTICATED',
  'FORBIDDEN',
  'NOT_FOUND',
  'GRAPHQL_PARSE_FAILED',
  'GRAPHQL_VALIDATION_FAILED',
]);
/** A server may say these of a command that it accepted before: it did not look. */
const NOT_LOOKED = new Set(['CONTENDED', 'STORE_FULL', 'RATE_LIMITED']);
const TYPED_ERRORS = new Set([...CERTAIN_ERRORS, 'OUTCOME_UNKNOWN']);

type Accepted = Attempt & { readonly answer: Extract<Attempt['answer'], { kind: 'accepted' }> };
const isAccepted = (attempt: Attempt): attempt is Accepted => attempt.answer.kind === 'accepted';
const didNothing = ({ answer }: Attempt): boolean =>
  answer.kind === 'refused' ||
  answer.kind === 'unsent' ||
  (answer.kind === 'error' && CERTAIN_ERRORS.has(answer.code)) ||
  (answer.kind === 'accepted' && !answer.changed);

export function checkAnswers(facts: LaneFacts): Violation[] {
  const found: Violation[] = [];
  const report = (invariant: Invariant, what: string, evidence?: unknown) =>
    found.push({ invariant, lane: facts.lane, what, evidence });
  for (const command of facts.commands.values()) {
    checkCommand(facts, command, report);
    for (const attempt of command.attempts) checkAttempt(facts, attempt, report);
  }
  for (const event of facts.events) checkAuthor(facts, event, report);
  return found;
}

type Report = (invariant: Invariant, what: string, evidence?: unknown) => void;

function checkCommand(facts: LaneFacts, { user, key, attempts }: Command, report: Report): void {
  const written = facts.wroteBy(user, key);
  if (written.length > 1)
    report('I2', `one key wrote ${written.length} events`, { user, key, seqs: written.map((event) => event.seq) });
  const accepted = attempts.filter(isAccepted).filter(({ answer }) => answer.changed);
  const seqs = new Set(accepted.map(({ answer }) => answer.seq));
  if (seqs.size > 1) report('I2', 'the answers for one key carry different seqs', { user, key, seqs: [...seqs] });
  const times = new Set(accepted.map(({ answer }) => answer.at));
  if (times.size > 1) report('I2', 'the answers for one key carry different times', { user, key, times: [...times] });
  const firsts = accepted.filter(({ answer }) => !answer.repeated);
  if (firsts.length > 1) report('I2', 'two answers for one key say that it is the first', { user, key });
  const acceptedAt = Math.min(...accepted.map(({ answeredAt }) => answeredAt));
  for (const attempt of attempts) {
    const { answer } = attempt;
    if (answer.kind !== 'refused' || attempt.sentAt <= acceptedAt) continue;
    if (answer.code !== 'KEY_REUSED' && !NOT_LOOKED.has(answer.code))
      report('I2', `accepted before, then refused: ${answer.code}`, attempt);
  }
  const [event] = written;
  if (event && attempts.filter((attempt) => wrote(event, user, attempt.wish)).every(didNothing)) {
    const matching = attempts.some((attempt) => wrote(event, user, attempt.wish));
    report('I11', matching ? 'written, though every answer said that it was not' : 'holds what nobody sent', event);
  }
}

function checkAttempt(facts: LaneFacts, attempt: Attempt, report: Report): void {
  const { answer } = attempt;
  switch (answer.kind) {
    case 'accepted':
      if (answer.changed) checkAccepted(facts, attempt as Accepted, report);
      else checkUnchanged(facts, attempt as Accepted, report);
      break;
    case 'refused':
      checkRefused(facts, attempt, answer.code, report);
      break;
    case 'error':
      if (!TYPED_ERRORS.has(answer.code)) report('I12', `an error that says nothing: ${answer.code}`, attempt);
      break;
    case 'lost':
    case 'unsent':
      break;
    default:
      answer satisfies never;
  }
}

function checkAccepted(facts: LaneFacts, attempt: Accepted, report: Report): void {
  const { user, key, answer, wish } = attempt;
  const event = facts.at(answer.seq);
  if (event?.by !== user || event.key !== key) {
    const [elsewhere] = facts.wroteBy(user, key);
    if (elsewhere) report('I2', `answered with seq ${answer.seq}, stored at ${elsewhere.seq}`, attempt);
    else report('I1', `acknowledged at seq ${answer.seq} and not in the lane`, { attempt, there: event });
    return;
  }
  if (!wrote(event, user, wish))
    report('I2', 'accepted, though the key had written something else', { attempt, event });
  if (event.at !== answer.at) report('I2', `answered with the time ${answer.at}, stored with ${event.at}`, attempt);
  if (answer.repeated) {
    const command = facts.commands.get(commandName(user, key));
    const others = command?.attempts.some((other) => other !== attempt && other.sentAt <= attempt.answeredAt);
    if (!others) report('I2', 'answered as repeated, though it was sent once', attempt);
  }
}

function checkUnchanged(facts: LaneFacts, attempt: Accepted, report: Report): void {
  const { answer, wish, user, sentAt } = attempt;
  const { seq } = answer;
  if (!facts.at(seq)) {
    report('I1', `answered unchanged at seq ${seq}, which the lane has not`, attempt);
    return;
  }
  if (wish.type !== 'create' && seq < facts.knownBefore(sentAt))
    report('I6', `answered unchanged at seq ${seq}, older than what was known before it was sent`, attempt);
  if (!isSoAt(facts, user, wish, seq))
    report('I1', `answered that it is so already at seq ${seq}, and it was not`, attempt);
}

function isSoAt(facts: LaneFacts, user: string, wish: Attempt['wish'], seq: number): boolean {
  switch (wish.type) {
    case 'create':
      return wish.kind === 'DIRECT' && seq === 1 && memberAt(facts, user, 1);
    case 'add':
      return wish.members.every((member) => memberAt(facts, member, seq));
    case 'remove':
      return !memberAt(facts, wish.member, seq);
    case 'leave':
      return !memberAt(facts, user, seq);
    case 'send':
      return false;
    default:
      return wish satisfies never;
  }
}

function checkRefused(facts: LaneFacts, attempt: Attempt, code: string, report: Report): void {
  const { user, key, wish, sentAt } = attempt;
  if (code === 'KEY_REUSED') {
    const [event] = facts.wroteBy(user, key);
    if (!event) report('I2', 'refused as KEY_REUSED, though the key wrote nothing', attempt);
    else if (wrote(event, user, wish)) report('I2', 'the same command again was refused as KEY_REUSED', attempt);
  }
  if (code !== 'NOT_FOUND' || wish.type === 'create') return;
  const from = facts.knownBefore(sentAt);
  const joined = facts.spans(user).some((span) => span.joined <= from && span.left === Number.POSITIVE_INFINITY);
  if (joined) report('I6', `refused as NOT_FOUND to who was a member since before it was sent`, attempt);
}

/** Who wrote an event had to send it, and had to be a member just before it. */
function checkAuthor(facts: LaneFacts, event: LaneEvent, report: Report): void {
  if (!facts.commands.has(commandName(event.by, event.key))) {
    const [other] = [...facts.commands.values()].filter((command) => command.key === event.key);
    if (other) report('I11', `written as by ${event.by}, sent by ${other.user}`, event);
    else report('I11', 'holds what nobody sent', event);
  }
  if (event.type !== 'ConversationCreated' && !memberAt(facts, event.by, event.seq - 1))
    report('I6', `written by ${event.by}, who was not a member just before`, event);
}

/** The lane itself: dense, rising in time, and in the order in which answers and sends followed each other. */
export function checkOrder(facts: LaneFacts): Violation[] {
  const found: Violation[] = [];
  const report = (what: string, evidence: unknown) => found.push({ invariant: 'I6', lane: facts.lane, what, evidence });
  let at = 0;
  for (const [i, event] of facts.events.entries()) {
    if (event.seq !== i + 1) {
      report(`the event in place ${i + 1} has seq ${event.seq}`, event);
      break;
    }
    if (event.at < at) report(`the time falls at seq ${event.seq}`, event);
    at = event.at;
    if (i === 0 && event.type !== 'ConversationCreated') report('it does not begin with its creation', event);
    const known = facts.knownBefore(facts.earliest(event.seq));
    if (known >= event.seq) report(`seq ${event.seq} was sent when seq ${known} was known already`, event);
  }
  return found;
}
