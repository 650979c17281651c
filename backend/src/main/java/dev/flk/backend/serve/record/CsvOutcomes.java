// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.record;

import de.siegmar.fastcsv.writer.LineDelimiter;
import dev.flk.backend.outcomes.record.OutcomeCsv;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeRows.Rows;
import dev.flk.backend.serve.record.RecordHandler.Body;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Outcomes as CSV. People store an answer in a file, so it has more lines than one in NDJSON. It is read in parts, and
 * sent when it is complete, because a header says whether more outcomes follow.
 */
final class CsvOutcomes {
    /** The maximum number of outcomes in an answer, and the usual one. */
    static final int MAX_LIMIT = 10_000;

    /** The maximum length of an answer, in bytes. */
    static final long MAX_BYTES = 8 << 20;

    /** The number of bytes after which an answer ends; the last read adds less than is left of the maximum. */
    private static final int ENOUGH_BYTES = 5 << 20;

    private static final int LINES_AT_ONCE = 250;
    /** The maximum number of reads. A read that finds only a few outcomes has examined many. */
    private static final int MOST_READS = 50;

    private static final String CSV = "text/csv";
    private static final String QUALITY = "q=(0(\\.[0-9]{0,3})?|1(\\.0{0,3})?)";

    private CsvOutcomes() {}

    /**
     * Returns whether a client prefers CSV to NDJSON. A client that names neither gets NDJSON.
     *
     * @param accept the header {@code Accept}; null if the request has none
     */
    static boolean areWanted(@Nullable String accept) {
        double csv = quality(accept, CSV);
        return csv > 0 && csv >= quality(accept, RecordHandler.NDJSON);
    }

    /** Returns the quality that a client gives to a type, from 0 to 1; 0 if it does not name the type. */
    private static double quality(@Nullable String accept, String type) {
        for (String range :
                accept == null ? new String[0] : accept.toLowerCase(Locale.ROOT).split(",", -1)) {
            List<String> parts =
                    Stream.of(range.split(";", -1)).map(String::strip).toList();
            if (parts.get(0).equals(type)) {
                return parts.stream()
                        .filter(part -> part.matches(QUALITY))
                        .mapToDouble(part -> Double.parseDouble(part.substring(2)))
                        .findFirst()
                        .orElse(1);
            }
        }
        return 0;
    }

    /**
     * Reads outcomes and renders them.
     *
     * @param wanted a query, with a limit of 1 to {@link #MAX_LIMIT}
     */
    static Body read(Function<OutcomeQuery, Rows> source, OutcomeQuery wanted) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (Writer out = new OutputStreamWriter(bytes, StandardCharsets.UTF_8)) {
            OutcomeCsv csv = new OutcomeCsv(out, LineDelimiter.LF);
            String after = wanted.cursor();
            int left = wanted.limit();
            int reads = 0;
            do {
                Rows part = source.apply(
                        wanted.withLimit(Math.min(left, LINES_AT_ONCE)).withCursor(after));
                part.rows().forEach(csv::write);
                out.flush();
                left -= part.rows().size();
                after = part.cursor();
                reads++;
            } while (after != null && left > 0 && bytes.size() < ENOUGH_BYTES && reads < MOST_READS);
            return new Body(CSV + "; charset=utf-8", bytes.toByteArray(), after);
        } catch (IOException e) {
            throw new UncheckedIOException(e); // the stream is in memory
        }
    }
}
