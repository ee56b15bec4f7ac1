/** What the log tells its operator. A closed list, so that each can be counted and documented. */
export type AlarmCode =
  /** The spool's bound is reached: nothing new is taken until the store has caught up. */
  | 'spool_full'
  /** The spool's disk does not take writes. */
  | 'spool_write_failed'
  /** A sync failed: the segment is given up, and what no sync had confirmed is lost. Groups in `disk` mode are refused. */
  | 'spool_sync_failed'
  /** Even the reserve for records without bodies is used up. */
  | 'spool_reserve_full'
  | 'spool_recovered'
  /** A release callback threw: a defect of the caller. */
  | 'release_failed'
  | 'frame_too_large'
  /** Bytes of a spool do not check; the rest of that segment is lost. */
  | 'spool_corrupt'
  /** Records lie in the dead-letter folder. */
  | 'dead_letter'
  /** The store (or the dead-letter folder) does not take records; everything is kept. Once per outage. */
  | 'shipping_stalled'
  | 'shipping_resumed'
  /** The folder of spools cannot be scanned for orphans. */
  | 'scan_failed'
  /** Rows name an experiment that the store does not know. Once per experiment. */
  | 'experiment_unknown'
  | 'experiment_closed';

export type OnAlarm = (code: AlarmCode, message: string) => void;
