// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve;

import dev.flk.http.EventStream;
import dev.flk.http.Exchange;
import dev.flk.http.ServerLoad.Bound;
import dev.flk.http.StreamPlaces;
import dev.flk.program.metrics.Samples;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Supplier;
import java.util.stream.DoubleStream;

/**
 * Streams of server-sent events that tell open pages to reload. Safe for any thread, except for {@link #notifyPages}.
 */
final class PageEvents {
    /** The interval at which {@link #notifyPages} must be called. */
    static final long NOTIFY_EVERY_SECONDS = 10;

    private static final int MOST_STREAMS = 32;
    private static final int MAX_PENDING_BYTES = 4 << 10;
    /** Pages reload at least once in this number of calls of {@link #notifyPages}, even if nothing has changed. */
    private static final int MOST_SILENT = 2;

    private static final byte[] CHANGED = "event: changed\ndata:\n\n".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] COMMENT = ":\n\n".getBytes(StandardCharsets.US_ASCII);

    private final StreamPlaces places = new StreamPlaces(MOST_STREAMS);
    private final Set<EventStream> streams = ConcurrentHashMap.newKeySet();
    private double notified = Double.NaN;
    private int silent;

    /** Answers an exchange with a stream, whose pending bytes count against {@code memory}. */
    void open(Exchange exchange, Bound memory) {
        exchange.stream(places, memory, MAX_PENDING_BYTES).ifPresent(opened -> {
            streams.add(opened);
            opened.whenClosed(why -> streams.remove(opened));
            boolean unused = opened.send(COMMENT);
        });
    }

    /** Makes the pages reload if something has changed or a reload is overdue. Called by one thread at a time. */
    void notifyPages(Supplier<Samples> metrics) {
        if (streams.isEmpty()) {
            return;
        }
        double now = counted(metrics.get());
        silent++;
        if (now != notified || silent >= MOST_SILENT) {
            notified = now;
            silent = 0;
            streams.forEach(stream -> {
                boolean unused = stream.send(CHANGED);
            });
        }
    }

    /**
     * Returns a number that changes with each admitted or refused certificate, with each report of an agent, and when
     * the dedup store fails or recovers.
     */
    private static double counted(Samples samples) {
        return DoubleStream.of(
                        samples.sum("flk_ingest_total"),
                        samples.sum("flk_escalated"),
                        samples.sum("flk_rejected_total"),
                        samples.sum("flk_agent_reports_total"),
                        samples.sum("flk_dedup_up") * 0.5)
                .sum();
    }
}
