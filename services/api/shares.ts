/**
 * What of a process's streams one user may hold: so many of each kind, and so much of documents that they hold. It is a part of
 * what the process holds at the most, so that no user's streams are refused because of another's.
 */
import type { DocumentNode, GraphQLError } from 'graphql';
import type { UserId } from '../../schema/ids.ts';
import { Counts } from '../buckets.ts';
import { tooMany } from './admission.ts';
import { sharesOf, type Viewer } from './gate.ts';
import { DOCUMENTS_OF_STREAMS, RETRY_AFTER_MS, STREAMS_PER_USER } from './limits.ts';

export type StreamKind = keyof typeof STREAMS_PER_USER;

/** Different documents, each counted once however many streams hold it. */
class HeldDocuments {
  readonly #streams = new Map<DocumentNode, number>();
  #weight = 0;

  get isEmpty(): boolean {
    return this.#streams.size === 0;
  }

  fits(document: DocumentNode, weight: number, most: number): boolean {
    return this.#streams.has(document) || this.#weight + weight <= most;
  }

  hold(document: DocumentNode, weight: number): void {
    const streams = this.#streams.get(document) ?? 0;
    if (streams === 0) this.#weight += weight;
    this.#streams.set(document, streams + 1);
  }

  release(document: DocumentNode, weight: number): void {
    const streams = (this.#streams.get(document) ?? 1) - 1;
    if (streams > 0) this.#streams.set(document, streams);
    else if (this.#streams.delete(document)) this.#weight -= weight;
  }
}

export interface SharesOptions {
  /** As `Documents` weighs them. */
  readonly weightOf: (document: DocumentNode) => number;
  readonly onRefused: (kind: StreamKind | 'documents') => void;
}

export class Shares {
  readonly #options: SharesOptions;
  readonly #streams: Readonly<Record<StreamKind, Counts>> = {
    conversation: new Counts(STREAMS_PER_USER.conversation),
    inbox: new Counts(STREAMS_PER_USER.inbox),
    delivery: new Counts(STREAMS_PER_USER.delivery),
  };
  readonly #all = new HeldDocuments();
  readonly #byUser = new Map<UserId, HeldDocuments>();

  constructor(options: SharesOptions) {
    this.#options = options;
  }

  /** Counts one stream until what is given is called, once. Or the error: the viewer has its share. */
  hold(kind: StreamKind, document: DocumentNode, viewer: Viewer): (() => void) | GraphQLError {
    const weight = this.#options.weightOf(document);
    const { user } = viewer;
    const shares = sharesOf(viewer);
    const own = this.#byUser.get(user) ?? new HeldDocuments();
    const { ofUser, all } = DOCUMENTS_OF_STREAMS;
    if (!own.fits(document, weight, ofUser * shares) || !this.#all.fits(document, weight, all))
      return this.#refused('documents', 'Your streams hold too many different documents.');
    if (!this.#streams[kind].enter(user, shares))
      return this.#refused(kind, 'You have too many streams of this kind open.');
    this.#byUser.set(user, own);
    for (const held of [own, this.#all]) held.hold(document, weight);
    return () => {
      this.#streams[kind].leave(user);
      for (const held of [own, this.#all]) held.release(document, weight);
      if (own.isEmpty) this.#byUser.delete(user);
    };
  }

  #refused(kind: StreamKind | 'documents', message: string): GraphQLError {
    this.#options.onRefused(kind);
    return tooMany(message, RETRY_AFTER_MS);
  }
}
