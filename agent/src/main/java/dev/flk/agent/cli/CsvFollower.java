// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.certify.Certifier;
import dev.flk.agent.certify.CsvFormat;
import dev.flk.agent.certify.CsvRows.Columns;
import dev.flk.agent.certify.CsvRows.MalformedCsv;
import dev.flk.agent.certify.Windows;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.outbox.CertificateSink.OutboxFull;
import dev.flk.agent.source.Intake;
import dev.flk.canonical.Sha256;
import dev.flk.program.files.RegularFile;
import java.io.ByteArrayOutputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * The follower of a growing CSV. It adds a certificate to the outbox for every complete window. The number of certified
 * windows is stored in a file next to the CSV, and a restart skips these windows. If a crash comes before the number is
 * on disk, the last certificates are added again with the same {@code pcs_id}, and the backend records each of them
 * once. Following ends when {@link #stop} is called, or when the CSV is removed, replaced or truncated.
 *
 * <p>The first line of the state file has the inode of the CSV, the number of bytes at its beginning that are compared,
 * their digest, and a digest of the options that determine the windows, separated by blanks. Earlier versions wrote
 * only the inode. The second line has the number of certified windows.
 */
final class CsvFollower {
    private static final long LOOK_EVERY_MILLIS = 500;
    /**
     * The maximum number of bytes at the beginning of the CSV that are compared, so that a later file with the same
     * inode is recognised as another file.
     */
    private static final int BEGINNING_BYTES = 4096;

    private final AgentConfig config;
    private final Path csv;
    private final Path state;
    private final Context context;
    private final CountDownLatch stop = new CountDownLatch(1);
    private final CountDownLatch ended = new CountDownLatch(1);
    private final ByteArrayOutputStream beginning = new ByteArrayOutputStream();
    private String inode = "";
    private String options = "";
    private long bytesRead;
    private long certified;
    private long seen;

    CsvFollower(AgentConfig config, Path csv, Context context) {
        this.config = config;
        this.csv = csv;
        this.state = csv.resolveSibling(csv.getFileName() + ".certified");
        this.context = context;
    }

    /**
     * Certifies windows until {@link #stop} is called, or the file is removed, replaced or truncated. Returns the
     * number of windows of the file whose certificates were added to the outbox, in this run and in earlier runs.
     */
    long run(Certifier certifier, Columns columns, CsvFormat format, Windows windows) throws IOException, MalformedCsv {
        inode = inode();
        options = digest(
                (certifier.shardIds() + " " + columns + " " + format + " " + windows).getBytes(StandardCharsets.UTF_8));
        certified = certifiedBefore();
        Runtime.getRuntime().addShutdownHook(new Thread(this::end, "shutdown"));
        try (FileChannel file = FileChannel.open(csv)) {
            certifier.follow(new GrowingFile(file), columns, format, windows, this::take);
        } catch (UncheckedIOException e) {
            throw e.getCause();
        } finally {
            ended.countDown();
        }
        return certified;
    }

    private String inode() throws IOException {
        BasicFileAttributes found = Files.readAttributes(csv, BasicFileAttributes.class);
        return String.valueOf(Objects.requireNonNullElse(found.fileKey(), found.creationTime()));
    }

    private static String digest(byte[] bytes) {
        return HexFormat.of().formatHex(Sha256.of(bytes));
    }

    private long certifiedBefore() throws IOException {
        RegularFile.requireOrNothing(state);
        if (!Files.exists(state)) {
            return 0;
        }
        List<String> lines = Files.readAllLines(state);
        if (lines.size() != 2
                || !lines.get(0).matches("\\S+( \\d{1,4} [0-9a-f]{64} [0-9a-f]{64})?")
                || !lines.get(1).matches("\\d{1,18}")) {
            throw new IOException(
                    state + " was not written by certify --follow; remove it to certify all of " + csv + " again");
        }
        String[] file = lines.get(0).split(" ", -1);
        boolean isOfEarlierVersion = file.length == 1;
        if (!file[0].equals(inode) || !(isOfEarlierVersion || isBeginning(file[1], file[2]))) {
            return 0; // the windows in the state file are of another CSV
        }
        if (!isOfEarlierVersion && !file[3].equals(options)) {
            throw new IOException("windows of " + csv + " were certified with other options; use the same options, or"
                    + " remove " + state + " to certify all of " + csv + " again");
        }
        return Long.parseLong(lines.get(1));
    }

    private boolean isBeginning(String length, String digest) throws IOException {
        try (InputStream in = Files.newInputStream(csv)) {
            return digest(in.readNBytes(Integer.parseInt(length))).equals(digest);
        }
    }

    private boolean isAtItsPath() throws IOException {
        try {
            return inode().equals(inode);
        } catch (NoSuchFileException e) {
            return false;
        }
    }

    private boolean isTruncated(FileChannel file) throws IOException {
        ByteBuffer now = ByteBuffer.allocate(beginning.size());
        int read = 0;
        while (read >= 0 && now.hasRemaining()) {
            read = file.read(now, now.position());
        }
        return file.size() < bytesRead || !Arrays.equals(now.array(), beginning.toByteArray());
    }

    private void take(byte[] certificate) {
        seen++;
        if (seen <= certified) {
            return;
        }
        try {
            add(certificate);
            certified = seen;
            keep();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Adds a certificate; waits while the outbox is full. */
    private void add(byte[] certificate) throws IOException {
        boolean reported = false;
        while (true) {
            try {
                OutboxAccess.either(
                        config,
                        outbox -> add(new Intake(outbox), certificate),
                        agent -> add(new Intake(agent), certificate));
                return;
            } catch (OutboxFull e) {
                if (!reported) {
                    context.complain(e.getMessage() + "; waiting");
                    reported = true;
                }
                if (isStopped()) {
                    throw e;
                }
            }
        }
    }

    /**
     * Waits at most half a second for a call of {@link #stop}, and returns whether {@link #stop} was called. If not,
     * the caller looks at the file or the outbox again.
     */
    private boolean isStopped() {
        try {
            return stop.await(LOOK_EVERY_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return true;
        }
    }

    private static boolean add(Intake intake, byte[] certificate) throws IOException {
        intake.add(List.of(certificate));
        return true;
    }

    /**
     * Replaces the state file. The new state is first written to a temporary file, which then replaces the state file.
     * If this process is killed before the replacement, the temporary file remains.
     */
    private void keep() throws IOException {
        Path next = state.resolveSibling(state.getFileName() + "." + UUID.randomUUID() + ".next");
        try (FileChannel file = FileChannel.open(next, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
            byte[] compared = beginning.toByteArray();
            file.write(StandardCharsets.UTF_8.encode(
                    inode + " " + compared.length + " " + digest(compared) + " " + options + "\n" + certified + "\n"));
            file.force(true);
            Files.move(next, state, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            Files.deleteIfExists(next);
            throw e;
        }
    }

    /**
     * Requests the end of following. The follower still adds the certificates of all windows that are complete in the
     * file, and then ends. It ends earlier if the outbox is full. Does not block. Any thread.
     */
    void stop() {
        stop.countDown();
    }

    private void end() {
        stop();
        try {
            if (!ended.await(9, TimeUnit.SECONDS)) {
                context.complain("following did not end within 9 s, perhaps because a disk hangs;"
                        + " exiting without waiting any longer");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * A stream of the CSV. At the end of the file, a read waits for more bytes. The stream ends when following ends.
     */
    private final class GrowingFile extends FilterInputStream {
        private final FileChannel file;

        GrowingFile(FileChannel file) {
            super(Channels.newInputStream(file));
            this.file = file;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] target, int offset, int length) throws IOException {
            int read = super.read(target, offset, length);
            while (read < 0 && !isStopped() && isAtItsPath() && !isTruncated(file)) {
                read = super.read(target, offset, length);
            }
            if (isTruncated(file) || (read < 0 && !isAtItsPath())) {
                context.complain(csv + " was removed, replaced or truncated; the complete windows of the rows that were"
                        + " read before are certified");
                return -1;
            }
            if (read > 0) {
                beginning.write(target, offset, Math.min(read, BEGINNING_BYTES - beginning.size()));
                bytesRead += read;
            }
            return read;
        }
    }
}
