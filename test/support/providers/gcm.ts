/** A gateway that speaks the protocol Google Cloud Messaging had. */
import { json, type Reply, type SecureServer, type ServerOptions, startSecureServer } from './secure-server.ts';

export interface GcmPush {
  readonly to: string;
  readonly collapse_key?: string;
  readonly priority?: string;
  readonly time_to_live?: number;
  readonly lanes: Readonly<Record<string, unknown>>;
}
export interface GcmServer extends SecureServer {
  /** What is posted to. */
  readonly endpoint: string;
  readonly pushes: readonly GcmPush[];
}

const PATH = '/gcm/send';

export async function startGcmServer(options: ServerOptions & { readonly key: string }): Promise<GcmServer> {
  const pushes: GcmPush[] = [];
  const server = await startSecureServer(options, ({ path, headers, body }) => {
    if (path !== PATH) return { status: 404, body: 'not here' };
    if (headers.authorization !== `key=${options.key}`) return { status: 401, body: 'Unauthorized' };
    const { data, ...rest } = JSON.parse(body.toString()) as Omit<GcmPush, 'lanes'> & { data: { lanes: string } };
    if (Buffer.byteLength(data.lanes) > 4096) return gcmResult({ error: 'MessageTooBig' });
    pushes.push({ ...rest, lanes: JSON.parse(data.lanes) as GcmPush['lanes'] });
    return gcmResult({ message_id: `m-${pushes.length}` });
  });
  return Object.assign(Object.create(server) as SecureServer, { endpoint: `${server.url}${PATH}`, pushes });
}

/** The answer for one recipient, as the protocol counts it. */
export function gcmResult(result: Readonly<Record<string, string>>, headers?: Readonly<Record<string, string>>): Reply {
  const failed = 'error' in result;
  const canonical = 'registration_id' in result ? 1 : 0;
  const counts = { success: failed ? 0 : 1, failure: failed ? 1 : 0, canonical_ids: canonical };
  return json(200, { multicast_id: 1, ...counts, results: [result] }, headers);
}
