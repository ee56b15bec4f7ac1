/** A gateway that can be measured. Each folder beside this file holds one: how it is installed, configured and started. */
export interface Peer {
  readonly name: string;
  /** Says what is missing and how to get it, or undefined when it can start. */
  missing(): Promise<string | undefined>;
  version(): Promise<string>;
  start(options: PeerOptions): Promise<StartedPeer>;
}

export interface PeerOptions {
  readonly upstreamUrl: string;
  /** The core of the serving thread; everything else of the peer goes to `otherCore`. */
  readonly core: number;
  readonly otherCore: number;
  readonly scratch: string;
}

export interface StartedPeer {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly pid: number;
  /** What `model` must say. */
  readonly model: string;
  /** Waits until the work that a load left behind is done; false when that takes too long. A gateway that leaves none has none. */
  settle?(): Promise<boolean>;
  stop(): Promise<void>;
}
