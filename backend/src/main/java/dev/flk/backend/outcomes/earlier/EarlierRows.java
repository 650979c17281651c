// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.outcomes.earlier;

import dev.flk.backend.decide.LoggedReview;
import dev.flk.backend.outcomes.record.OutcomeRows.Changed;
import dev.flk.backend.outcomes.record.OutcomeRows.Position;
import dev.flk.backend.outcomes.record.OutcomeRows.Reviewed;
import dev.flk.backend.outcomes.record.OutcomeRows.RowKey;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.canonical.Sha256;
import dev.flk.verification.Verdict.Kind;
import dev.flk.view.OpenDatabase;
import dev.flk.view.RocksView;
import dev.flk.view.ViewUnavailableException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.WriteBatch;

/**
 * The rows as 0.1.0 stored them, in a family of a {@link RocksView}, to be copied once. Numbers are big-endian. ROW is
 * the number of a version or a review among all changes. ID is the first 8 bytes of the {@code pcs_id}. All other keys
 * are an index, which is not copied.
 *
 * <pre>
 * key        value
 * r ROW      a version: {@link EarlierVersion}; or a review: the letter r, then its JSON
 * i ID       the ROWs of the current versions of the ids that begin with ID
 * v HASH     the ROW of the newest review of the row with this key, see {@link #reviewKey}
 * n NAME     a note
 * p LOG_ID   the position in a log: generation, sequence, digest
 * m          the byte {@value #FORMAT}, then {@link Values}
 * </pre>
 */
public final class EarlierRows {
    private static final int FAMILY = 1;
    private static final byte FORMAT = 2;
    private static final byte[] VALUES_KEY = {'m'};
    private static final byte REVIEW = 'r';

    private final RocksView view;

    /** @param view the view of DEDUP_DIR, which may not be open yet */
    public EarlierRows(RocksView view) {
        this.view = view;
    }

    /**
     * A version or a review.
     *
     * @param n its number among all changes
     * @param before the number of the version before; 0 for the first one, and for a review
     * @param waits whether it is a version that waits for a review
     */
    public record Stored(long n, long before, boolean isCurrent, boolean waits, Changed changed) {}

    /** The values that exist once. */
    public record Values(long history, int generation, long beginning, long removed, long salvaged) {
        private static final int BYTES = 1 + 4 * Long.BYTES + Integer.BYTES;

        private static Values decode(byte[] value) {
            ByteBuffer in = ByteBuffer.wrap(value, 1, value.length - 1);
            return new Values(in.getLong(), in.getInt(), in.getLong(), in.getLong(), in.getLong());
        }
    }

    /** The place to which everything is copied. */
    public interface Copy {
        /** Adds the next version or review, in the order of numbers. Returns whether to continue. */
        boolean add(Stored stored);

        void note(String name, String text);

        void position(int generation, Position position);

        void values(Values values);
    }

    /** Returns whether there are rows that can be copied. Opens the view if it has files. */
    public boolean exist() throws ViewUnavailableException {
        if (!Files.exists(view.path().resolve("CURRENT"))) { // opening the view would create a database
            return false;
        }
        view.reopenIfNeeded();
        return view.use(open -> {
            byte[] values = get(open, VALUES_KEY);
            return values != null && values.length == Values.BYTES && values[0] == FORMAT;
        });
    }

    /** Copies all versions and reviews after a number, then everything else. Returns whether everything was copied. */
    public boolean copy(long after, Copy to) throws ViewUnavailableException {
        return view.use(open -> {
            boolean[] isAll = {true};
            scan(open, key('r', after + 1), 'r', (key, value) -> {
                isAll[0] = to.add(stored(open, numberAtEnd(key), value));
                return isAll[0];
            });
            if (!isAll[0]) {
                return false;
            }
            scan(open, new byte[] {'n'}, 'n', (key, value) -> {
                to.note(text(key), new String(value, StandardCharsets.UTF_8));
                return true;
            });
            scan(open, new byte[] {'p'}, 'p', (key, value) -> {
                ByteBuffer in = ByteBuffer.wrap(value);
                int generation = in.getInt();
                long sequence = in.getLong();
                String digest = StandardCharsets.US_ASCII.decode(in).toString();
                to.position(generation, new Position(text(key), sequence, digest));
                return true;
            });
            byte[] values = get(open, VALUES_KEY);
            if (values != null) {
                to.values(Values.decode(values));
            }
            return true;
        });
    }

    /** Removes all rows, after they were copied; they are gone once this method returns. */
    public void remove() throws ViewUnavailableException {
        view.use(open -> {
            try (WriteBatch all = new WriteBatch()) {
                all.deleteRange(open.family(FAMILY), new byte[0], new byte[] {(byte) 0xff});
                open.write(all);
            }
            open.flush(); // or a crash would bring the rows back, and they would be copied over newer ones
            return true;
        });
    }

    private static Stored stored(OpenDatabase open, long n, byte[] value) throws RocksDBException {
        if (isReview(value)) {
            Reviewed reviewed = review(value);
            byte[] newest = get(open, reviewKey(reviewed.key()));
            return new Stored(n, 0, newest != null && numberAtEnd(newest) == n, false, reviewed);
        }
        EarlierVersion stored = EarlierVersion.decode(value);
        Version version = stored.version();
        boolean isCurrent = isCurrent(open, n, version);
        boolean waits =
                isCurrent && version.outcome().verdict().kind() != Kind.ACCEPTED && !isReviewed(open, version.key());
        return new Stored(n, stored.before(), isCurrent, waits, version);
    }

    private static boolean isCurrent(OpenDatabase open, long n, Version version) throws RocksDBException {
        byte[] current = get(open, key('i', Long.parseUnsignedLong(version.key().pcsId(), 0, 2 * Long.BYTES, 16)));
        ByteBuffer numbers = ByteBuffer.wrap(current == null ? new byte[0] : current);
        while (numbers.hasRemaining()) {
            if (numbers.getLong() == n) {
                return true;
            }
        }
        return false;
    }

    private static boolean isReviewed(OpenDatabase open, RowKey key) throws RocksDBException {
        byte[] newest = get(open, reviewKey(key));
        byte[] review = newest == null ? null : get(open, key('r', numberAtEnd(newest)));
        return review != null && !review(review).review().isWithdrawal();
    }

    private static boolean isReview(byte[] value) {
        return value.length > 0 && value[0] == REVIEW;
    }

    private static Reviewed review(byte[] value) {
        return Reviewed.of(LoggedReview.decode(Arrays.copyOfRange(value, 1, value.length)));
    }

    private static byte[] key(char kind, long number) {
        return ByteBuffer.allocate(1 + Long.BYTES)
                .put((byte) kind)
                .putLong(number)
                .array();
    }

    private static byte[] reviewKey(RowKey key) {
        byte[] hash = Sha256.of((key.pcsId() + '/' + key.epoch() + '/' + key.shard()).getBytes(StandardCharsets.UTF_8));
        return ByteBuffer.allocate(1 + hash.length).put((byte) 'v').put(hash).array();
    }

    private static long numberAtEnd(byte[] bytes) {
        return ByteBuffer.wrap(bytes, bytes.length - Long.BYTES, Long.BYTES).getLong();
    }

    private static String text(byte[] key) {
        return new String(key, 1, key.length - 1, StandardCharsets.UTF_8);
    }

    private static byte @Nullable [] get(OpenDatabase open, byte[] key) throws RocksDBException {
        return open.rocks().get(open.family(FAMILY), key);
    }

    private interface Visitor {
        boolean visit(byte[] key, byte[] value) throws RocksDBException;
    }

    private static void scan(OpenDatabase open, byte[] from, char kind, Visitor visitor) throws RocksDBException {
        byte[] end = {(byte) (kind + 1)};
        try (RocksIterator iterator = open.rocks().newIterator(open.family(FAMILY))) {
            boolean isMore = true;
            for (iterator.seek(from); isMore && iterator.isValid(); iterator.next()) {
                byte[] key = iterator.key();
                isMore = Arrays.compareUnsigned(key, end) < 0 && visitor.visit(key, iterator.value());
            }
            iterator.status();
        }
    }
}
