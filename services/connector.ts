/** How a TLS connection to a provider is made: which authorities are believed, which protocols offered, which addresses allowed. */
import { isIP, type LookupFunction } from 'node:net';
import { type ConnectionOptions, connect, type SecureContext, type TLSSocket } from 'node:tls';
import type { buildConnector } from 'undici';

export interface ConnectorOptions {
  /** The authorities that are believed, read once: for each connection anew it takes 20 ms. Absent: Node's own. */
  readonly trust?: SecureContext | undefined;
  /** In order of preference, of which the server chooses one. */
  readonly protocols: readonly ('h2' | 'http/1.1')[];
  /** Absent: any address. Given: only an address that it allows is connected to, whatever the name resolves to at that moment. */
  readonly allows?: ((address: string) => boolean) | undefined;
  /** The addresses of a name; absent: the system's resolver. */
  readonly resolve?: ((hostname: string) => Promise<readonly string[]>) | undefined;
}

/** The host has no address that may be connected to. */
export class ForbiddenAddress extends Error {
  readonly code = 'FORBIDDEN_ADDRESS';
}
class ConnectTimeout extends Error {
  readonly code = 'CONNECT_TIMEOUT';
}

const CONNECT_MS = 5_000;

/** A connector for undici. `onProtocol` hears what was agreed on before the connection is used. */
export function connectorOf(
  options: ConnectorOptions,
  onProtocol: (isHttp2: boolean) => void,
): buildConnector.connector {
  const { allows, resolve } = options;
  return ({ hostname, port }, callback) => {
    if (allows !== undefined && isIP(hostname) !== 0 && !allows(hostname)) {
      callback(new ForbiddenAddress('the address is not a public one'), null);
      return;
    }
    const socket = connect({
      host: hostname,
      port: Number(port || 443),
      ALPNProtocols: [...options.protocols],
      highWaterMark: 16_384,
      ...(isIP(hostname) === 0 ? { servername: hostname } : {}),
      ...(options.trust === undefined ? {} : { secureContext: options.trust }),
      ...(resolve === undefined ? {} : { lookup: lookupOf(resolve, allows) }),
    } as ConnectionOptions & { highWaterMark: number });
    const timer = setTimeout(() => socket.destroy(new ConnectTimeout('no connection in time')), CONNECT_MS);
    let answered = false;
    const answer = (error: Error | null): void => {
      clearTimeout(timer);
      if (answered) return;
      answered = true;
      if (error === null) callback(null, socket);
      else callback(error, null);
    };
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 60_000);
    socket.on('error', answer);
    socket.once('close', () => answer(new ConnectTimeout('closed before it was open')));
    socket.once('secureConnect', () => {
      // The name was resolved once, above; the last word is the address at the other end.
      if (allows !== undefined && !allows(remoteOf(socket))) {
        socket.destroy(new ForbiddenAddress('the address is not a public one'));
        return;
      }
      onProtocol(socket.alpnProtocol === 'h2');
      answer(null);
    });
  };
}

const remoteOf = (socket: TLSSocket): string => socket.remoteAddress ?? '';

/** Only the allowed addresses of a name: one that has others, too, is reached by those that may be. */
function lookupOf(
  resolve: (hostname: string) => Promise<readonly string[]>,
  allows: ((address: string) => boolean) | undefined,
): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname).then(
      (addresses) => {
        const usable = addresses.filter((address) => allows?.(address) ?? true);
        const first = usable[0];
        if (first === undefined) callback(new ForbiddenAddress('no public address'), '', 0);
        else if (options.all)
          callback(
            null,
            usable.map((address) => ({ address, family: isIP(address) })),
          );
        else callback(null, first, isIP(first));
      },
      (error: NodeJS.ErrnoException) => callback(error, '', 0),
    );
  };
}
