// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.certify.FollowedRows.Progress;
import dev.flk.agent.certify.FollowedRows.ShardProgress;
import dev.flk.agent.follow.RotatedCsv.Content;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.stream.Collectors;

/**
 * The position up to which a CSV is certified. Its text has the components of this record in their order, texts and
 * bytes in base64, separated by blanks.
 *
 * @param key the inode of the file with the first row that is not certified
 * @param length the number of its bytes that were read
 * @param digest the digest of the last of them (at most {@value RotatedCsv#COMPARED_BYTES}); of a {@link CompleteCsv},
 *     of its first bytes
 * @param modifiedMillis the time at which the file was modified before it was read
 * @param options the digest of the options that determine the windows
 * @param progress the certified rows, and the lines of the file that are done, counted from the first byte of {@code
 *     lead}; of each shard the number of windows, the last time, the number of rows with this time that are ahead, and
 *     the name in base64, separated by colons; shards are separated by commas. Version 0.1 wrote {@code true} for 1,
 *     {@code false} for 0
 * @param heading the heading of the file
 * @param lead the bytes to be read before those of the file, because the file lacks them
 * @param other the digest of the first bytes that were read (at most {@value RotatedCsv#COMPARED_BYTES}); of a {@link
 *     CompleteCsv}, of all bytes, once they were read; empty if version 0.1 stored the position
 */
record Position(
        String key,
        long length,
        String digest,
        long modifiedMillis,
        String options,
        Progress progress,
        byte[] heading,
        byte[] lead,
        String other) {
    private static final int FIELDS_BEFORE_OTHER = 12;
    /** The value of {@code other} of a growing file of which no row was read. */
    private static final String NO_ROWS = "-";

    /** Returns the position whose {@link #text} is given. */
    static Position parse(String text) {
        String[] fields = text.split(" ", -1);
        Base64.Decoder base64 = Base64.getDecoder();
        List<ShardProgress> shards = new ArrayList<>();
        for (String shard : fields[5].isEmpty() ? new String[0] : fields[5].split(",", -1)) {
            String[] parts = shard.split(":", -1);
            shards.add(new ShardProgress(
                    new String(base64.decode(parts[3]), StandardCharsets.UTF_8),
                    Long.parseLong(parts[0]),
                    Double.parseDouble(parts[1]),
                    ahead(parts[2])));
        }
        Progress progress = new Progress(
                0,
                Long.parseLong(fields[6]),
                Double.parseDouble(fields[7]),
                Long.parseLong(fields[8]),
                new String(base64.decode(fields[9]), StandardCharsets.UTF_8),
                shards);
        return new Position(
                fields[0],
                Long.parseLong(fields[1]),
                fields[2],
                Long.parseLong(fields[3]),
                fields[4],
                progress,
                base64.decode(fields[10]),
                base64.decode(fields[11]),
                fields.length > FIELDS_BEFORE_OTHER ? fields[FIELDS_BEFORE_OTHER] : "");
    }

    private static long ahead(String text) {
        return switch (text) {
            case "true" -> 1;
            case "false" -> 0;
            default -> Long.parseLong(text);
        };
    }

    /** Returns the position in a file that was read up to here. */
    static Position in(FollowedFile file, String options, Progress progress) {
        Content content = file.content();
        return new Position(
                content.key(),
                content.length(),
                content.end(),
                file.lastModified().toMillis(),
                options,
                progress,
                file.heading(),
                file.lead(),
                content.hasRows() ? content.beginning() : NO_ROWS);
    }

    /** Returns what was read of a growing file. */
    Content content() {
        boolean hasRows = !other.equals(NO_ROWS) && length > (lead.length > 0 ? 0 : heading.length);
        return new Content(key, length, hasRows ? other : "", digest, hasRows, false);
    }

    /** Returns the position in the same file with another progress. */
    Position with(Progress changed) {
        return new Position(key, length, digest, modifiedMillis, options, changed, heading, lead, other);
    }

    /** Returns the position in the same file without what is known of its shards, of which no window is certified. */
    Position withoutShards() {
        return with(new Progress(
                progress.file(), progress.rows(), progress.time(), progress.lines(), progress.settled(), List.of()));
    }

    /** Returns the number of certified windows of all shards. */
    long windows() {
        return progress.shards().stream().mapToLong(ShardProgress::windows).sum();
    }

    String text() {
        Base64.Encoder base64 = Base64.getEncoder();
        String shards = progress.shards().stream()
                .map(shard -> shard.windows() + ":" + shard.time() + ":" + shard.ahead() + ":"
                        + base64.encodeToString(shard.shard().getBytes(StandardCharsets.UTF_8)))
                .collect(Collectors.joining(","));
        return key + " " + length + " " + digest + " " + modifiedMillis + " " + options + " " + shards + " "
                + progress.rows() + " " + progress.time() + " " + progress.lines() + " "
                + base64.encodeToString(progress.settled().getBytes(StandardCharsets.UTF_8)) + " "
                + base64.encodeToString(heading) + " " + base64.encodeToString(lead) + " " + other;
    }
}
