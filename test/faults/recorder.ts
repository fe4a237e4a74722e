/** Keeps what clients had, for the checker. */
import type { InboxSession, MarkSent, Outage, PushSeen } from './push-trace.ts';
import type { Attempt, Frame, PageRead, Session, Trace } from './trace.ts';

export class Recorder {
  readonly attempts: Attempt[] = [];
  readonly sessions: Session[] = [];
  readonly pages: PageRead[] = [];
  readonly marks: MarkSent[] = [];
  readonly pushes: PushSeen[] = [];
  readonly inboxes: InboxSession[] = [];
  readonly outages: Outage[] = [];
  readonly surprises: { process: string; at: number; what: string }[] = [];
  readonly #counts = new Map<string, number>();

  attempt(attempt: Attempt): void {
    this.attempts.push(attempt);
    const { answer } = attempt;
    this.count('code' in answer ? answer.code : answer.kind);
    if (answer.kind === 'accepted' && answer.repeated) this.count('repeated');
  }

  session(session: Session & { readonly frames: readonly Frame[] }): void {
    this.sessions.push(session);
    const { end } = session;
    this.count(`stream ${end.kind === 'error' ? end.code : end.kind}`);
  }

  page(page: PageRead): void {
    this.pages.push(page);
    this.count('pages');
  }

  mark(mark: MarkSent): void {
    this.marks.push(mark);
    const { answer } = mark;
    this.count(`mark ${answer === 'unknown' ? answer : 'code' in answer ? answer.code : answer.kind}`);
  }

  push(push: PushSeen): void {
    this.pushes.push(push);
    this.count(push.kind === 'read' ? 'read push' : `push ${push.met}`);
  }

  inbox(session: InboxSession): void {
    this.inboxes.push(session);
    const { end } = session;
    this.count(`inbox ${end.kind === 'error' ? end.code : end.kind}`);
  }

  outage(outage: Outage): void {
    this.outages.push(outage);
  }

  surprise(process: string, what: string): void {
    this.surprises.push({ process, at: performance.now(), what });
  }

  count(what: string): void {
    this.#counts.set(what, this.counted(what) + 1);
  }

  counted(what: string): number {
    return this.#counts.get(what) ?? 0;
  }

  get counts(): string {
    const sorted = [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1));
    return sorted.map(([what, count]) => `${what} ${count}`).join(' · ');
  }

  traceOf({ stores, pushing }: Pick<Trace, 'stores' | 'pushing'>): Trace {
    const { attempts, sessions, pages, surprises } = this;
    return { attempts, sessions, pages, surprises, stores, ...(pushing && { pushing }) };
  }
}
