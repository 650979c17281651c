// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.outcomes.record.MemoryRecord;
import dev.flk.backend.outcomes.record.OutcomeRows.RecordUnavailableException;
import dev.flk.backend.outcomes.record.OutcomeRows.Rows;
import dev.flk.backend.outcomes.record.OutcomeRows.Version;
import dev.flk.backend.serve.record.OutcomeExport.Format;
import dev.flk.backend.serve.record.OutcomeExport.Source;
import dev.flk.http.Admission;
import dev.flk.http.HttpEvents;
import dev.flk.http.HttpServer;
import dev.flk.http.HttpServer.HttpOptions;
import dev.flk.http.HttpServer.Listener;
import dev.flk.http.Refusal;
import dev.flk.http.Routes;
import dev.flk.http.Routes.Endpoint;
import dev.flk.http.ServerLoad.Bound;
import dev.flk.http.testing.RawClient;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Tests of files of outcomes, sent by a server. */
final class OutcomeExportTest {
    private static final Duration LONG = Duration.ofMinutes(10);
    private static final Version LINE = version(100);
    private static final int MOST_ROWS = 1_000;

    private final MemoryRecord record = new MemoryRecord();
    private final Bound memory = new Bound(64 << 20);
    private final AtomicLong nanos = new AtomicLong();
    /** The number of steps of all files: each reads the time once. */
    private final AtomicLong steps = new AtomicLong();

    private final OutcomeExport export = new OutcomeExport(memory, MOST_ROWS, () -> {
        steps.incrementAndGet();
        return nanos.get();
    });
    private final HttpServer server = new HttpServer(
            new HttpOptions("test", 1, 100, 1_000, 1_000, 16 << 20, 16 << 20, LONG, LONG, LONG, Duration.ZERO),
            HttpEvents.NONE,
            () -> Instant.EPOCH,
            nanos::get);
    private volatile Format format = Format.NDJSON;
    private volatile Source source = cursor -> new Rows(List.of(), null, null);
    private int port;

    @BeforeEach
    void start() throws Exception {
        Routes routes = new Routes(Endpoint.always(Refusal.notFound()))
                .get(
                        "/file",
                        Endpoint.always((request, exchange) -> export.run(
                                exchange,
                                () -> export.send(
                                        exchange, record.outcomes(), source, false, format, "name", List.of()))));
        port = server.listen(new Listener(
                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0),
                "here",
                "PORT",
                "too many",
                routes,
                Admission.ALL,
                null));
    }

    @AfterEach
    void stop() {
        server.close();
        export.close();
        record.close();
    }

    private RawClient get() throws Exception {
        return new RawClient(port).send("GET /file HTTP/1.1\nHost: h\n\n");
    }

    /** Reads the chunks of a file until its end. */
    private static String body(RawClient client) throws Exception {
        StringBuilder body = new StringBuilder();
        for (String chunk = client.readChunk(); !chunk.isEmpty(); chunk = client.readChunk()) {
            body.append(chunk);
        }
        return body.toString();
    }

    private static Version version(int reasonChars) {
        String reason = "degraded: " + "x".repeat(reasonChars);
        return MemoryRecord.version("a", 1, "escalated", reason, Instant.EPOCH, Map.of(), "0".repeat(64));
    }

    private static Rows part(int lines, String cursor) {
        return new Rows(Collections.nCopies(lines, LINE), cursor, null);
    }

    @ParameterizedTest
    @EnumSource(Format.class)
    void file_longerThanTheBound_saysSoInItsLastLine(Format wanted) throws Exception {
        format = wanted;
        source = cursor -> part(300, "more");

        RawClient client = get();

        assertThat(client.readHead().header("content-disposition"))
                .contains("attachment; filename=\"name." + wanted.name().toLowerCase(Locale.ROOT) + "\"");
        List<String> lines = body(client).lines().toList();
        String why = "these are the first 1000 outcomes and more may follow; choose a shorter range";
        assertThat(lines).hasSize(wanted == Format.CSV ? 1_002 : 1_001);
        assertThat(lines.get(lines.size() - 1))
                .isEqualTo(wanted == Format.CSV ? "cut: " + why : "{\"cut\":\"" + why + "\"}");
        await().until(() -> memory.held() == 0);
    }

    @Test
    void file_ofTheBoundExactly_isNotCut() throws Exception {
        source = cursor -> part(500, cursor == null ? "more" : null);

        RawClient client = get();

        client.readHead();
        assertThat(body(client).lines()).hasSize(1_000).noneMatch(line -> line.contains("cut"));
    }

    @Test
    void query_findsNothingForLong_endsWithALine() throws Exception {
        source = cursor -> {
            nanos.addAndGet(TimeUnit.SECONDS.toNanos(7));
            return part(0, "more");
        };

        RawClient client = get();

        client.readHead();
        assertThat(body(client)).startsWith("{\"cut\":\"these are the first 0 outcomes");
    }

    @Test
    void recordFailsMeanwhile_fileHasNoEnd() throws Exception {
        source = cursor -> {
            if (cursor != null) {
                throw new RecordUnavailableException("the record can't be read", null);
            }
            return part(1, "more");
        };

        RawClient client = get();

        assertThat(client.readToEnd()).doesNotEndWith("0\r\n\r\n");
        await().until(() -> memory.held() == 0);
    }

    @Test
    void slowClients_holdLittleMemory_andNoThread() throws Exception {
        Version longLine = version(20_000);
        AtomicLong parts = new AtomicLong();
        source = cursor -> {
            parts.incrementAndGet();
            return new Rows(Collections.nCopies(100, longLine), "more", null);
        };
        List<RawClient> slow = new ArrayList<>();
        for (int i = 0; i < OutcomeExport.MOST_FILES; i++) {
            slow.add(get());
        }
        await().until(() -> memory.held() > OutcomeExport.MOST_FILES * (1 << 20));
        await().until(() -> {
            long read = parts.get();
            long seen = steps.get();
            await().until(() -> steps.get() > seen + 3 * OutcomeExport.MOST_FILES);
            assertThat(memory.held()).isLessThan(OutcomeExport.MOST_FILES * (4 << 20));
            return parts.get() == read;
        });

        // a free thread refuses the file
        assertThat(get().read().status()).isEqualTo(503);
        assertThat(memory.held()).isLessThan(OutcomeExport.MOST_FILES * (4 << 20));

        // after a while, each new file takes the place of a client that has read nothing
        nanos.addAndGet(TimeUnit.SECONDS.toNanos(3));
        for (int i = 0; i < OutcomeExport.MOST_FILES; i++) {
            RawClient next = get();
            slow.add(next);
            assertThat(next.readHead().status()).isEqualTo(200);
        }
        assertThat(get().read().status()).isEqualTo(503);
        await().until(() -> memory.held() < OutcomeExport.MOST_FILES * (4 << 20));
        for (RawClient each : slow.subList(0, OutcomeExport.MOST_FILES)) {
            assertThat(each.readToEnd()).doesNotEndWith("0\r\n\r\n");
        }
        for (RawClient each : slow) {
            each.close();
        }
    }
}
