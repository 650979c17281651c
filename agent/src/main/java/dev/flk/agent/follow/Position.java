// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.follow;

import dev.flk.program.files.RegularFile;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * The position up to which a CSV is certified, as stored in the file {@code FILE.csv.certified}.
 *
 * <pre>
 * line  content
 * 1     inode of the file with the first row that is not certified; number of its bytes that were read; digest of the
 *       last of them (at most {@value FollowedFile#COMPARED_BYTES}); digest of the options that determine the windows
 * 2     number of certified windows
 * 3     number of rows in earlier files; time after which the rows of this file must be; number of rows of this file
 *       that are certified; time of the last of them
 * 4     heading of this file, in base64
 * 5     bytes to be read before those of the file, because the file lacks them, in base64
 * </pre>
 *
 * The fields of a line are separated by blanks.
 *
 * @param key the inode
 * @param length the number of bytes that were read
 * @param digest the digest of the last of these bytes
 * @param options the digest of the options
 */
public record Position(String key, long length, String digest, String options, long windows, CertifiedRows rows) {
    private static final String SHA_256 = "[0-9a-f]{64}";
    private static final String TIME = "(-?[0-9.E-]{1,25}|-Infinity)";
    private static final String BASE_64 = "[A-Za-z0-9+/=]*";

    /**
     * The certified rows.
     *
     * @param earlier the number of rows in files before this one
     * @param afterTime the time after which the rows of this file must be; negative infinity without one
     * @param here the number of rows in this file
     * @param time the time of the last row in this file or, if it has none, in the files before
     */
    public record CertifiedRows(long earlier, double afterTime, long here, double time, byte[] heading, byte[] lead) {}

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
        List<String> lines = Files.readAllLines(file, StandardCharsets.ISO_8859_1);
        if (lines.size() != 5
                || !lines.get(0).matches("\\S+ \\d{1,18} " + SHA_256 + " " + SHA_256)
                || !lines.get(1).matches("\\d{1,18}")
                || !lines.get(2).matches("\\d{1,18} " + TIME + " \\d{1,18} " + TIME)
                || !lines.get(3).matches(BASE_64)
                || !lines.get(4).matches(BASE_64)) {
            throw new IOException(
                    file + " was not written by this version of certify --follow; remove it to certify all of " + csv
                            + " again");
        }
        try {
            return Optional.of(parse(lines));
        } catch (IllegalArgumentException e) {
            throw new IOException(file + " is damaged; remove it to certify all of " + csv + " again", e);
        }
    }

    private static Position parse(List<String> lines) {
        String[] file = lines.get(0).split(" ", -1);
        String[] numbers = lines.get(2).split(" ", -1);
        CertifiedRows rows = new CertifiedRows(
                Long.parseLong(numbers[0]),
                Double.parseDouble(numbers[1]),
                Long.parseLong(numbers[2]),
                Double.parseDouble(numbers[3]),
                Base64.getDecoder().decode(lines.get(3)),
                Base64.getDecoder().decode(lines.get(4)));
        return new Position(file[0], Long.parseLong(file[1]), file[2], file[3], Long.parseLong(lines.get(1)), rows);
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
        return key + " " + length + " " + digest + " " + options + "\n"
                + windows + "\n"
                + rows.earlier() + " " + rows.afterTime() + " " + rows.here() + " " + rows.time()
                + "\n"
                + base64.encodeToString(rows.heading()) + "\n"
                + base64.encodeToString(rows.lead()) + "\n";
    }
}
