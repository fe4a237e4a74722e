/**
 * The child's side of a load generator: a process of its own that is opened once, run any number of times, and ends with
 * its parent.
 */

/** What a generator takes and gives; each script exports one such type. */
export interface Protocol {
  readonly open: unknown;
  readonly opened: unknown;
  readonly run: unknown;
  readonly result: unknown;
}
export interface Handlers<P extends Protocol> {
  open(options: P['open']): Promise<P['opened']>;
  run(job: P['run']): Promise<P['result']>;
  close(): Promise<void>;
}
export type Ask =
  | { readonly kind: 'open'; readonly with: unknown }
  | { readonly kind: 'run'; readonly with: unknown }
  | { readonly kind: 'close' };
export type Answer = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly error: string };

export function serve<P extends Protocol>(handlers: Handlers<P>): void {
  const answer = (value: Answer): void => void process.send?.(value);
  const handle = async (ask: Ask): Promise<unknown> => {
    switch (ask.kind) {
      case 'open':
        return handlers.open(ask.with as P['open']);
      case 'run':
        return handlers.run(ask.with as P['run']);
      case 'close':
        await handlers.close();
        return undefined;
      default:
        return ask satisfies never;
    }
  };
  process.on('message', (ask: Ask) => {
    handle(ask).then(
      (value) => {
        answer({ ok: true, value });
        if (ask.kind === 'close') process.disconnect?.();
      },
      (error: unknown) =>
        answer({ ok: false, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
    );
  });
  process.on('disconnect', () => process.exit());
}
