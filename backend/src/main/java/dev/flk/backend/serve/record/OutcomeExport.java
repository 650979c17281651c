// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.record;

import de.siegmar.fastcsv.writer.LineDelimiter;
import dev.flk.backend.outcomes.record.OutcomeCsv;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.Rows;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.outcomes.record.RecordedOutcomes;
import dev.flk.http.Answer.Header;
import dev.flk.http.EventStream;
import dev.flk.http.Exchange;
import dev.flk.http.Refusal;
import dev.flk.http.ServerLoad.Bound;
import dev.flk.http.StreamPlaces;
import dev.flk.program.cli.Printable;
import dev.flk.program.time.DaemonThreads;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Sends the outcomes that a query selects as a file, read and sent part by part. A file that ends early because it has
 * reached a bound says so in its last line. A file that ends early for another reason, such as a failed read, has no
 * proper end, so that the client reports a failed download.
 *
 * <p>While a client reads slowly, no thread waits for it, and at most {@value #ENOUGH_PENDING_BYTES} bytes and one part
 * are held for it.
 */
public final class OutcomeExport implements AutoCloseable {
    /** The maximum number of files that are being sent; a client that stops reading gives its place to a new one. */
    public static final int MOST_FILES = 4;

    /** The maximum number of outcomes in a file. */
    public static final int MOST_ROWS = 1_000_000;

    /** The number of outcomes that a source returns at once. */
    public static final int ROWS_AT_ONCE = 250;

    private static final Logger LOG = LoggerFactory.getLogger("dev.flk.backend.http");
    private static final int THREADS = 2;
    private static final int MAX_WAITING = 16;
    private static final long MAX_PENDING_BYTES = 16 << 20;
    private static final long ENOUGH_PENDING_BYTES = 1 << 20;
    private static final long WAIT_MILLIS = 100;
    /** The time without an outcome after which a file is cut; the connection would count as idle a little later. */
    private static final long MOST_QUIET_SECONDS = 20;

    private final StreamPlaces places = new StreamPlaces(MOST_FILES);
    private final Bound waiting = new Bound(MAX_WAITING);
    private final Bound memory;
    private final int mostRows;
    private final LongSupplier nanoTicker;
    private final ScheduledExecutorService threads =
            Executors.newScheduledThreadPool(THREADS, DaemonThreads.named("outcome-export"));

    /** A query for outcomes. */
    public interface Source {
        /** Returns the part after a cursor, at most {@link #ROWS_AT_ONCE} outcomes; null stands for the beginning. */
        Rows part(@Nullable String cursor);
    }

    /** The format of a file. */
    public enum Format {
        CSV("text/csv; charset=utf-8"),
        NDJSON(RecordHandler.NDJSON);

        private final String contentType;

        Format(String contentType) {
            this.contentType = contentType;
        }
    }

    /** @param memory the bound on the bytes that clients have not read yet */
    public OutcomeExport(Bound memory) {
        this(memory, MOST_ROWS, System::nanoTime);
    }

    OutcomeExport(Bound memory, int mostRows, LongSupplier nanoTicker) {
        this.memory = memory;
        this.mostRows = mostRows;
        this.nanoTicker = nanoTicker;
    }

    /**
     * Runs {@code work}, which calls {@link #send} or answers with an error, on a thread of the exports. Answers that the
     * server is overloaded if too many requests wait for these threads.
     */
    public void run(Exchange exchange, Runnable work) {
        if (!waiting.take(1)) {
            exchange.answer(Refusal.overloaded());
            return;
        }
        try {
            threads.execute(() -> {
                waiting.giveBack(1);
                exchange.safely(work);
            });
        } catch (RejectedExecutionException e) {
            exchange.answer(Refusal.overloaded());
        }
    }

    /**
     * Answers an exchange with a file. Reads the first part before the answer begins.
     *
     * @param isOfId whether the source selects by the beginning of an id, and has one part only
     * @param name the name of the file without its extension, of letters, digits, hyphens and underscores
     * @param headers headers besides those for a file and those that say what the record lacks
     * @throws RecordUnavailableException if the record can't be read; the exchange is not answered yet
     */
    public void send(
            Exchange exchange,
            RecordedOutcomes record,
            Source source,
            boolean isOfId,
            Format format,
            String name,
            List<Header> headers) {
        Rows first = source.part(null);
        List<Header> all = new ArrayList<>(headers);
        all.addAll(RecordHandler.extent(record));
        all.add(new Header(
                "Content-Disposition",
                "attachment; filename=\"" + name + (format == Format.CSV ? ".csv" : ".ndjson") + "\""));
        exchange.stream(format.contentType, places, memory, MAX_PENDING_BYTES, all.toArray(Header[]::new))
                .ifPresent(opened -> new File(opened, source, isOfId, format).send(first));
    }

    /** A file that is being sent. Its steps run one after the other. */
    private final class File {
        private final EventStream to;
        private final Source source;
        private final boolean isOfId;
        private final @Nullable OutcomeCsv csv;
        private final StringWriter text = new StringWriter();
        private @Nullable String cursor;
        private int rows;
        private long quietSinceNanos = nanoTicker.getAsLong();

        File(EventStream to, Source source, boolean isOfId, Format format) {
            this.to = to;
            this.source = source;
            this.isOfId = isOfId;
            this.csv = format == Format.CSV ? new OutcomeCsv(text, LineDelimiter.LF) : null;
        }

        private void step() {
            try {
                if (to.pendingBytes() > ENOUGH_PENDING_BYTES) {
                    quietSinceNanos = nanoTicker.getAsLong(); // the client is slow, not the query
                    later(WAIT_MILLIS);
                } else {
                    send(source.part(cursor));
                }
            } catch (RecordUnavailableException e) {
                LOG.warn("an export of outcomes ended early: {}", e.getMessage());
                to.abort();
            } catch (RuntimeException | Error e) {
                LOG.error("an export of outcomes failed and ended early", e);
                to.abort();
            }
        }

        private void later(long millis) {
            Runnable step = this::step;
            try {
                var unused = threads.schedule(step, millis, TimeUnit.MILLISECONDS);
            } catch (RejectedExecutionException e) {
                to.abort(); // the server is being closed
            }
        }

        void send(Rows part) {
            List<Version> sent = part.rows().subList(0, Math.min(part.rows().size(), mostRows - rows));
            sent.forEach(this::write);
            rows += sent.size();
            cursor = part.cursor();
            long now = nanoTicker.getAsLong();
            quietSinceNanos = sent.isEmpty() ? quietSinceNanos : now;
            boolean isFull = (rows == mostRows || isOfId)
                    && (cursor != null || sent.size() < part.rows().size());
            boolean isQuiet = cursor != null && now - quietSinceNanos > TimeUnit.SECONDS.toNanos(MOST_QUIET_SECONDS);
            if (isFull || isQuiet) {
                String why = "these are the first " + rows + " outcomes and more may follow; "
                        + (isOfId ? "enter more digits of the id" : "choose a shorter range");
                text.append(csv != null ? "cut: " + why : "{\"cut\":\"" + why + "\"}")
                        .append('\n');
            }
            boolean isSent = to.send(text.toString().getBytes(StandardCharsets.UTF_8));
            text.getBuffer().setLength(0);
            if (cursor == null || isFull || isQuiet) {
                to.close();
            } else if (isSent) {
                later(0);
            }
        }

        private void write(Version version) {
            if (csv != null) {
                csv.write(version);
            } else {
                text.append(Printable.json(RecordedOutcomes.line(version))).append('\n');
            }
        }
    }

    @Override
    public void close() {
        threads.shutdownNow();
    }
}
