// SPDX-License-Identifier: Apache-2.0
package dev.flk.state.postgres;

import dev.flk.state.StateException;
import dev.flk.state.StateException.Reason;
import dev.flk.state.Storage.Head;
import dev.flk.wal.files.DiskFiles.OwnerOnly;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * The newest revision and the newest touch that this backend has committed or read, remembered outside the database.
 * The database itself does not show that revisions or touches are missing if it was restored from a dump, or if it is a
 * standby that was promoted too early. A revision or touch is written to the file before any caller receives an answer
 * that depends on it. The file survives a kill of the backend; after a power failure of the machine, its content may be
 * half a minute old. Safe for any thread.
 *
 * <p>The file is one line of UTF-8, padded with spaces to 512 bytes: one sector, which a write replaces completely.
 *
 * <pre>
 * flk-known-1                  format
 * history id
 * revision
 * time of its commit           microseconds since 1970
 * server                       system identifier and timeline, like 7711400727285130605/00000001; - if not known. If
 *                              lifetimes were ever renewed, followed by ;number of the newest touch;its time in
 *                              microseconds since 1970: here, a version that does not know of them ignores them
 * former history ids           newest first, separated by commas; - if the list is empty
 * CRC32C of the text before    8 hexadecimal digits
 * </pre>
 */
final class KnownHistory implements AutoCloseable {
    private static final String FORMAT = "flk-known-1";
    private static final int SECTOR = 512;
    private static final int FIELDS = 7;
    private static final int MOST_FORMER = 8;
    /** The value for an unknown server or an empty list. */
    static final String NONE = "-";

    private final @Nullable Path path;
    private volatile Known known = Known.NOTHING;
    private volatile @Nullable String damage;
    /** Whether the file is older than {@link #known}. */
    private volatile boolean isFileOutdated;
    // guarded by this
    private @Nullable FileChannel channel;

    /**
     * The touches in the database: transactions that have renewed lifetimes without a new revision. Touches are
     * numbered from 1.
     *
     * @param number the number of the newest touch; 0 before the first touch
     * @param atMicros the time of the newest touch, later than the time of the touch before
     */
    record Touches(long number, long atMicros) {
        static final Touches NONE = new Touches(0, 0);

        Touches next(long clockMicros) {
            return new Touches(number + 1, Math.max(clockMicros, atMicros + 1));
        }
    }

    /**
     * The known state of the database.
     *
     * @param historyId the id of the history; empty if nothing is known
     * @param server the server, in the format of the file; {@code -} if unknown
     * @param former earlier ids of the history, newest first
     */
    record Known(
            String historyId,
            long revision,
            long committedAtMicros,
            Touches touches,
            String server,
            List<String> former) {
        static final Known NOTHING = new Known("", 0, 0, Touches.NONE, NONE, List.of());

        /** Returns the fields before the checksum; omits the oldest former ids if not all fit. */
        private String line() {
            List<String> kept = new ArrayList<>(former);
            while (true) {
                String ids = kept.isEmpty() ? NONE : String.join(",", kept);
                String line = String.join(
                        " ",
                        FORMAT,
                        historyId,
                        Long.toString(revision),
                        Long.toString(committedAtMicros),
                        touches.number() == 0 ? server : server + ";" + touches.number() + ";" + touches.atMicros(),
                        ids);
                if (kept.isEmpty() || line.length() <= SECTOR - 10) {
                    return line;
                }
                kept.remove(kept.size() - 1);
            }
        }

        /**
         * Returns a remark that the server has changed, which may explain a loss; empty if the server has not changed,
         * or if its identity is unknown now or was unknown before.
         */
        String movedTo(String now) {
            if (server.equals(NONE) || now.equals(NONE) || server.equals(now)) {
                return "";
            }
            return " (the server was " + server + ", by system identifier and timeline, and is now " + now + ")";
        }

        /** Returns the known state after a newer revision, newer touches, or both were committed or read. */
        private Known at(Head head, Touches now) {
            boolean isNewer = head.revision() > revision;
            return new Known(
                    historyId,
                    isNewer ? head.revision() : revision,
                    isNewer ? head.committedAtMicros() : committedAtMicros,
                    now.number() > touches.number() ? now : touches,
                    server,
                    former);
        }

        /**
         * Compares the database with the known state.
         *
         * @param head the head of the database
         * @param committedAtMicros the commit time that the database has for the known revision; null if the head is at
         *     or before the known revision, or if the database has no event with this revision
         * @return why the history must not keep its id; empty if it may keep its id
         */
        Optional<String> contradiction(
                Head head, @Nullable Long committedAtMicros, Touches now, @Nullable Long touchedAtMicros) {
            if (historyId.isEmpty()) {
                return Optional.empty();
            }
            if (!historyId.equals(head.historyId())) {
                return former.contains(head.historyId())
                        ? Optional.of("Postgres returned to history " + head.historyId() + ", revision "
                                + head.revision() + ", which history " + historyId
                                + " had replaced; revisions up to " + revision + " of history " + historyId
                                + " are missing")
                        : Optional.empty();
            }
            if (head.revision() < revision) {
                return Optional.of("Postgres returned to revision " + head.revision() + " of history " + historyId
                        + "; revisions up to " + revision + " were committed and are missing");
            }
            Long found = head.revision() == revision
                    ? Long.valueOf(head.committedAtMicros())
                    : head.floor() == revision ? Long.valueOf(head.floorAtMicros()) : committedAtMicros;
            boolean isOther = found != null && found != this.committedAtMicros;
            boolean isCompactedToEarlier = head.floor() > revision && head.floorAtMicros() <= this.committedAtMicros;
            if (isOther || isCompactedToEarlier) {
                return Optional.of("revision " + revision + " of history " + historyId
                        + " in Postgres is not the commit that this backend knew under this number;"
                        + " the known commit, and perhaps commits before it, are missing");
            }
            return touchContradiction(now, touchedAtMicros);
        }

        private Optional<String> touchContradiction(Touches now, @Nullable Long touchedAtMicros) {
            if (now.number() < touches.number()) {
                return Optional.of("Postgres returned to touch " + now.number() + " of history " + historyId
                        + "; touches up to " + touches.number()
                        + " were answered and are missing, so lifetimes end earlier than their holders know");
            }
            Long found = now.number() == touches.number() ? Long.valueOf(now.atMicros()) : touchedAtMicros;
            return touches.number() > 0 && found != null && found != touches.atMicros()
                    ? Optional.of("touch " + touches.number() + " of history " + historyId
                            + " in Postgres is not the touch that this backend knew under this number; the known touch,"
                            + " and perhaps touches before it, are missing, so lifetimes end earlier than their holders"
                            + " know")
                    : Optional.empty();
        }
    }

    /** @param path the file; null to remember only in memory */
    KnownHistory(@Nullable Path path) {
        this.path = path;
    }

    /** Opens the file, creates it if it is missing, locks it and reads it; does nothing if the file is open. */
    synchronized void open() {
        if (path == null || channel != null) {
            return;
        }
        try {
            Files.createDirectories(path.toAbsolutePath().getParent());
            FileChannel opened = FileChannel.open(
                    path,
                    Set.of(StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE),
                    OwnerOnly.file(path));
            try {
                requireAlone(opened);
                byte[] bytes = new byte[(int) Math.min(SECTOR + 1, opened.size())];
                opened.read(ByteBuffer.wrap(bytes), 0);
                Known read = bytes.length == 0 ? Known.NOTHING : decode(bytes);
                known = read == null ? Known.NOTHING : read;
                damage = read == null
                        ? path + " is damaged, so it is not known whether commits are missing in Postgres"
                        : null;
                channel = opened;
            } finally {
                if (channel == null) {
                    opened.close();
                }
            }
        } catch (IOException e) {
            throw failed(e);
        }
    }

    private void requireAlone(FileChannel opened) throws IOException {
        boolean isAlone;
        try {
            isAlone = opened.tryLock() != null;
        } catch (OverlappingFileLockException e) {
            isAlone = false;
        }
        if (!isAlone) {
            throw Reason.STORE_DOWN.because(
                    path + " is in use by another backend; give each backend a STATE_DIR of its own");
        }
    }

    private static @Nullable Known decode(byte[] bytes) {
        String[] fields = new String(bytes, StandardCharsets.UTF_8).strip().split(" ", -1);
        if (fields.length != FIELDS || !fields[0].equals(FORMAT)) {
            return null;
        }
        String line = String.join(" ", List.of(fields).subList(0, FIELDS - 1));
        if (!checksum(line).equals(fields[FIELDS - 1])) {
            return null;
        }
        List<String> former = fields[5].equals(NONE) ? List.of() : List.of(fields[5].split(","));
        String[] server = fields[4].split(";", -1);
        Touches touches =
                server.length == 3 ? new Touches(Long.parseLong(server[1]), Long.parseLong(server[2])) : Touches.NONE;
        return new Known(fields[1], Long.parseLong(fields[2]), Long.parseLong(fields[3]), touches, server[0], former);
    }

    private static String checksum(String line) {
        CRC32C crc = new CRC32C();
        crc.update(line.getBytes(StandardCharsets.UTF_8));
        return String.format("%08x", crc.getValue());
    }

    /**
     * Returns the known state. A later read of the database must find the known revision or a newer one; otherwise,
     * commits were lost.
     */
    Known known() {
        return known;
    }

    /** Returns why the content of the file could not be used; empty if the file was intact or new. */
    Optional<String> damage() {
        return Optional.ofNullable(damage);
    }

    /**
     * Records a head and its touches if they belong to the known history and are newer than the known revision or the
     * known touch. Otherwise, repeats the last write to the file if that write failed.
     */
    void reached(Head head, Touches touches) {
        if (isNewer(head, touches, known) || isFileOutdated) {
            reachedFarther(head, touches);
        }
    }

    private static boolean isNewer(Head head, Touches touches, Known than) {
        return head.revision() > than.revision()
                || touches.number() > than.touches().number();
    }

    private synchronized void reachedFarther(Head head, Touches touches) {
        Known now = known;
        if (head.historyId().equals(now.historyId()) && isNewer(head, touches, now)) {
            write(now.at(head, touches));
        } else if (isFileOutdated) {
            write(now);
        }
    }

    /** Records the server of the history. */
    synchronized void isAt(String server) {
        Known now = known;
        if (!now.server().equals(server)) {
            write(new Known(
                    now.historyId(), now.revision(), now.committedAtMicros(), now.touches(), server, now.former()));
        }
    }

    /**
     * Durably replaces the known history with the history of {@code head} and its touches. Does nothing if the known history already
     * has the id of {@code head}. Also does nothing if another thread has replaced the known history after {@code
     * since} was read, because the other thread has seen a newer history.
     *
     * @param since the known state before the database was read
     * @return whether this call replaced the history
     */
    synchronized boolean begin(Head head, Touches touches, Known since) {
        Known before = known;
        if (before.historyId().equals(head.historyId()) || !before.historyId().equals(since.historyId())) {
            return false;
        }
        List<String> former = new ArrayList<>(before.former());
        if (!before.historyId().isEmpty()) {
            former.add(0, before.historyId());
        }
        former.remove(head.historyId());
        List<String> kept = List.copyOf(former.subList(0, Math.min(MOST_FORMER, former.size())));
        write(new Known(head.historyId(), head.revision(), head.committedAtMicros(), touches, before.server(), kept));
        force();
        damage = null;
        return true;
    }

    private void write(Known now) {
        known = now;
        FileChannel file = channel;
        if (file == null) {
            return;
        }
        isFileOutdated = true;
        String line = now.line();
        byte[] bytes = new byte[SECTOR];
        Arrays.fill(bytes, (byte) ' ');
        byte[] text = (line + " " + checksum(line)).getBytes(StandardCharsets.UTF_8);
        System.arraycopy(text, 0, bytes, 0, text.length);
        bytes[SECTOR - 1] = '\n';
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        try {
            while (buffer.hasRemaining()) {
                file.write(buffer, buffer.position());
            }
            isFileOutdated = false;
        } catch (IOException e) {
            throw failed(e);
        }
    }

    private synchronized void force() {
        try {
            if (channel != null) {
                channel.force(true);
            }
        } catch (IOException e) {
            throw failed(e);
        }
    }

    private StateException failed(IOException e) {
        return StateException.down(
                path + ", which records the newest known revision in Postgres, can't be read or written: " + e, e);
    }

    @Override
    public synchronized void close() {
        FileChannel file = channel;
        if (file == null) {
            return;
        }
        try (file) {
            file.force(true);
        } catch (IOException e) {
            throw failed(e);
        } finally {
            channel = null;
        }
    }
}
