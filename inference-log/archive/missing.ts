/** There is no file under the name of an archive. */
export class ArchiveMissingError extends Error {
  override name = 'ArchiveMissingError';
}
