/** A push provider that takes everything: HTTP/2 over TLS, nothing checked, nothing kept, so that it is not what is measured. */
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createAuthority } from '../../support/providers/certificates.ts';
import { serve } from '../generate/serve.ts';

export interface TakingProvider {
  readonly open: undefined;
  /** `authority`: PEM of who signed its certificate. */
  readonly opened: { readonly url: string; readonly authority: string };
  readonly run: undefined;
  readonly result: undefined;
}

const HOST = '127.0.0.1';
const authority = createAuthority();
const server = createSecureServer({ ...authority.issue(HOST), settings: { maxConcurrentStreams: 1_000 } });
const TAKEN = { ':status': 200, 'apns-id': 'eabeae54-14a8-11e5-b60b-1697f925ec7b' };

serve<TakingProvider>({
  open: async () => {
    server.on('stream', (stream) => {
      stream.on('error', () => {});
      stream.resume();
      stream.on('end', () => stream.respond(TAKEN, { endStream: true }));
    });
    server.on('sessionError', () => {});
    await new Promise<void>((listening) => server.listen(0, HOST, listening));
    return { url: `https://${HOST}:${(server.address() as AddressInfo).port}`, authority: authority.certificate };
  },
  run: async () => undefined,
  close: async () => {
    server.close();
  },
});
