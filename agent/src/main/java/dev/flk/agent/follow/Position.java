// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.agent.certify.FollowedRows.Progress;
import dev.flk.agent.certify.FollowedRows.ShardProgress;
import dev.flk.canonical.Sha256;
import dev.flk.program.files.RegularFile;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.Collectors;

/**
 * The position up to which a CSV is certified, as stored in the file {@code FILE.csv.certified}: the components of this
 * record in their order, texts and bytes in base64, and the digest of the format and all these; all separated by
 * blanks.
 *
 * @param key the inode of the file with the first row that is not certified
 * @param length the number of its bytes that were read
 * @param digest the digest of the last of them (at most {@value FollowedFile#COMPARED_BYTES})
 * @param options the digest of the options that determine the windows
 * @param progress the certified rows, and the lines of the file that are done, counted from the first byte of {@code
 *     lead}; of each shard the number of windows, the last time, whether it is ahead, and the name in base64, separated
 *     by colons; shards are separated by commas
 * @param heading the heading of the file
 * @param lead the bytes to be read before those of the file, because the file lacks them
 */
public record Position(
        String key, long length, String digest, String options, Progress progress, byte[] heading, byte[] lead) {
    /** The number of this format, which only the digest contains. */
    private static final String FORMAT = "2 ";

    /** Returns the file that stores the position of a CSV. */
    public static Path file(Path csv) {
        return csv.resolveSibling(csv.getFileName() + ".certified");
    }

    /** Reads the stored position of a CSV; empty if none is stored. */
    public static Optional<Position> read(Path csv) throws IOException {
        Path file = file(csv);
        RegularFile.requireOrNothing(file);
        if (!Files.exists(file)) {
            return Optional.empty();
        }
        String text = Files.readString(file, StandardCharsets.ISO_8859_1);
        int end = text.lastIndexOf(' ') + 1;
        if (end == 0 || !text.substring(end).equals(digest(text.substring(0, end)))) {
            throw new IOException(file + " was not written by this version of certify --follow, or it is damaged;"
                    + " remove it to certify all of " + csv + " again");
        }
        String[] fields = text.split(" ", -1);
        Base64.Decoder base64 = Base64.getDecoder();
        List<ShardProgress> shards = new ArrayList<>();
        for (String shard : fields[4].split(",", -1)) {
            String[] parts = shard.split(":", -1);
            shards.add(new ShardProgress(
                    new String(base64.decode(parts[3]), StandardCharsets.UTF_8),
                    Long.parseLong(parts[0]),
                    Double.parseDouble(parts[1]),
                    Boolean.parseBoolean(parts[2])));
        }
        Progress progress = new Progress(
                0,
                Long.parseLong(fields[5]),
                Double.parseDouble(fields[6]),
                Long.parseLong(fields[7]),
                new String(base64.decode(fields[8]), StandardCharsets.UTF_8),
                shards);
        return Optional.of(new Position(
                fields[0],
                Long.parseLong(fields[1]),
                fields[2],
                fields[3],
                progress,
                base64.decode(fields[9]),
                base64.decode(fields[10])));
    }

    /** Returns the position in a file that was read up to here. */
    public static Position in(FollowedFile file, String options, Progress progress) throws IOException {
        return new Position(file.key(), file.position(), file.digest(), options, progress, file.heading(), file.lead());
    }

    /** Returns the position in the same file with another progress. */
    public Position with(Progress other) {
        return new Position(key, length, digest, options, other, heading, lead);
    }

    /** Returns the number of certified windows of all shards. */
    public long windows() {
        return progress.shards().stream().mapToLong(ShardProgress::windows).sum();
    }

    private static String digest(String text) {
        return HexFormat.of().formatHex(Sha256.of((FORMAT + text).getBytes(StandardCharsets.ISO_8859_1)));
    }

    /**
     * Replaces the stored position of a CSV. The new position is first written to a temporary file, which then replaces
     * the file. If this process is killed before the replacement, the temporary file remains.
     */
    public void write(Path csv) throws IOException {
        Path file = file(csv);
        Path next = file.resolveSibling(file.getFileName() + "." + UUID.randomUUID() + ".next");
        try (FileChannel out = FileChannel.open(next, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            out.write(StandardCharsets.ISO_8859_1.encode(text()));
            out.force(true);
            Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            Files.deleteIfExists(next);
            throw e;
        }
    }

    private String text() {
        Base64.Encoder base64 = Base64.getEncoder();
        String shards = progress.shards().stream()
                .map(shard -> shard.windows() + ":" + shard.time() + ":" + shard.isAhead() + ":"
                        + base64.encodeToString(shard.shard().getBytes(StandardCharsets.UTF_8)))
                .collect(Collectors.joining(","));
        String text = key + " " + length + " " + digest + " " + options + " " + shards + " " + progress.rows()
                + " " + progress.time() + " " + progress.lines() + " "
                + base64.encodeToString(progress.settled().getBytes(StandardCharsets.UTF_8)) + " "
                + base64.encodeToString(heading) + " " + base64.encodeToString(lead) + " ";
        return text + digest(text);
    }
}
