import type { Server } from 'node:net';
import { ArgumentError } from '../errors.ts';
import { errorCode } from '../io/file_error.ts';

/** Lets a server listen. Throws ArgumentError for a host or port that it cannot listen on. */
export async function listen(server: Server, host: string, port: number): Promise<void> {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `port ${port} of ${host} is in use: choose another, or 0 for any that is free`,
    EACCES: `port ${port} may not be listened on: choose one above 1023`,
    EADDRNOTAVAIL: `${host} is no address of this machine`,
    ENOTFOUND: `there is no host ${host}`,
    EAI_AGAIN: `there is no host ${host} that can be found`,
  };
  await new Promise<void>((resolve, reject) => {
    const refuse = (error: Error) => {
      const reason = reasons[errorCode(error)] ?? `cannot listen on port ${port} of ${host}: ${error.message}`;
      reject(new ArgumentError(reason, { cause: error }));
    };
    server.once('error', refuse);
    server.listen(port, host, () => {
      server.off('error', refuse);
      // A connection that could not be taken, such as for want of file handles, ends no other.
      server.on('error', () => {});
      resolve();
    });
  });
}
