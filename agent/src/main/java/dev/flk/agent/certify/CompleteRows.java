// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.agent.certify.Windows.Cutter;
import dev.flk.agent.certify.Windows.Window;
import dev.flk.agent.csv.CsvRows;
import dev.flk.agent.csv.CsvRows.MalformedCsv;
import dev.flk.agent.csv.CsvRows.Row;
import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * The rows of a complete CSV, divided into windows. They can be read in portions. After the last row, the last windows
 * are passed on even if they are incomplete. Windows without rows are skipped. For one thread.
 */
public final class CompleteRows {
    private static final int MOST_MISTAKES = 1_000;
    private static final int MOST_KINDS = 10;

    private final CsvRows csv;
    private final Windows windows;
    private final Consumer<Window> each;
    private final Map<String, Cutter> shards = new LinkedHashMap<>();

    CompleteRows(CsvRows csv, Windows windows, Consumer<Window> each) {
        this.csv = csv;
        this.windows = windows;
        this.each = each;
        csv.pause();
    }

    /** Creates rows that are read only to find mistakes. */
    public static CompleteRows checked(CsvRows csv, Windows windows) {
        return new CompleteRows(csv, windows, window -> {});
    }

    /** Creates rows whose certificates are passed to {@code each}; those of one shard in order. */
    public static CompleteRows certified(CsvRows csv, Windows windows, Certifier certifier, Consumer<byte[]> each) {
        return new CompleteRows(csv, windows, window -> each.accept(certifier.next(window)));
    }

    /**
     * Reads at most {@code most} rows, and a bounded number of records that are no rows. Returns whether there may be
     * more.
     *
     * @throws MalformedCsv if a line has a mistake
     */
    public boolean read(int most) throws IOException, MalformedCsv {
        for (int i = 0; i < most; i++) {
            Row row = csv.next();
            if (row == null && csv.isPaused()) {
                return true;
            }
            if (row == null) {
                shards.values().forEach(cutter -> cutter.end(csv));
                return false;
            }
            shards.computeIfAbsent(row.shard(), shard -> windows.cutter(each, false))
                    .add(row, csv);
        }
        return true;
    }

    /** Reads all rows, and returns the first mistake of each kind, apart from the numbers and texts in quotes. */
    public List<String> mistakes() throws IOException {
        Map<String, String> byKind = new LinkedHashMap<>();
        for (int i = 0; i < MOST_MISTAKES; i++) {
            try {
                while (read(Integer.MAX_VALUE)) {
                    // more rows than an int can count, or a pause
                }
                break;
            } catch (MalformedCsv e) {
                String message = String.valueOf(e.getMessage());
                byKind.putIfAbsent(message.replaceAll("\"[^\"]*\"|\\d+", ""), message);
            }
        }
        return byKind.values().stream().limit(MOST_KINDS).toList();
    }

    /** Returns the number of rows in windows that were not passed on yet. */
    public long openRows() {
        return shards.values().stream().mapToLong(Cutter::openRows).sum();
    }

    /** Returns the number of shards of the rows that were read. */
    public int shards() {
        return shards.size();
    }
}
