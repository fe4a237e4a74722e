/**
 * Where a stream writes: one subscription of one connection. What is written is the same object for all who share it; a sink
 * only puts its own envelope around it.
 */
import type { GraphQLError } from 'graphql';

/** The JSON of one GraphQL answer, UTF-8. */
export interface Part {
  readonly utf8: Buffer;
  /** The reader's position after it: a seq, or an inbox's cursor. Undefined: it leaves the position where it was. */
  readonly seq: number | string | undefined;
}

/** A sink's form of a payload is kept for this many others that ask for the same. */
const FORMS_MAX = 4;

/** Answers that are ready together and are written together, in order; never empty. */
export class SharedPayload {
  readonly parts: readonly Part[];
  /** The reader's position after the last of them. */
  readonly seq: number;
  /** Of all the JSON in it. */
  readonly byteLength: number;
  #forms: Map<string, Buffer> | undefined;

  constructor(parts: readonly Part[], seq: number) {
    this.parts = parts;
    this.seq = seq;
    this.byteLength = parts.reduce((sum, { utf8 }) => sum + utf8.byteLength, 0);
  }

  /** The bytes that were kept under this name. */
  form(name: string): Buffer | undefined {
    return this.#forms?.get(name);
  }

  /** Keeps bytes that others will ask for by the same name; only the first few names are kept. */
  keep(name: string, bytes: Buffer): void {
    this.#forms ??= new Map();
    if (this.#forms.size < FORMS_MAX) this.#forms.set(name, bytes);
  }
}

export interface Sink {
  /** False: it is full, or closed, and did not take the payload; nothing more is offered before `onDrain` calls. */
  write(payload: SharedPayload, seq: number): boolean;
  /** Calls once, when there is room again; never, where it is closed. Asked for only after `write` answered false. */
  onDrain(callback: () => void): void;
  /** Completes the operation, after an error when given. Comes after everything that was taken, also when the sink is full. */
  end(error?: GraphQLError): void;
}
