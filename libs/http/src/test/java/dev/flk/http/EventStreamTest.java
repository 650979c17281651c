// SPDX-License-Identifier: Apache-2.0
package dev.flk.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.http.EventStream.CloseReason;
import dev.flk.http.TestServer.Kept;
import dev.flk.http.testing.RawClient;
import dev.flk.http.testing.RawClient.Reply;
import dev.flk.testkit.TestAuthority;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests of event streams: what clients receive, how streams end, and that all their memory is released. */
class EventStreamTest {
    private static final Duration SHORT = Duration.ofMillis(200);
    private static final String GET = "GET /events HTTP/1.1\nHost: h\n\n";
    private static final byte[] COMMENT = bytes(":\n\n");
    private static final byte[] LARGE = bytes("data: " + "x".repeat(10_000) + "\n\n");

    @RegisterExtension
    private final TestServer server = new TestServer();

    /** The reasons that a stream's callback received. */
    private final LinkedBlockingQueue<CloseReason> reasons = new LinkedBlockingQueue<>();

    /** Connects over TLS, or plainly with small buffers. */
    private RawClient connect(boolean isTls) throws IOException {
        if (!isTls) {
            return server.connectNarrow();
        }
        TestAuthority authority = TestAuthority.named("authority");
        server.tls(authority.context(authority.issue("server", "localhost")));
        return server.connectTls();
    }

    private EventStream watched(EventStream stream) {
        stream.whenClosed(reasons::add);
        return stream;
    }

    private CloseReason reason() throws InterruptedException {
        return reasons.poll(20, TimeUnit.SECONDS);
    }

    private void assertNothingIsHeld() {
        await().untilAsserted(() -> {
            assertThat(server.places().held()).as("streams").isZero();
            assertThat(server.load().requests().held()).as("requests").isZero();
            assertThat(server.load().bodyBytes().held()).as("bodies").isZero();
            assertThat(server.load().answerBytes().held()).as("answers").isZero();
        });
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] event(int number) {
        return bytes("data: " + number + "\n\n");
    }

    /** Sends until at least this number of bytes is pending. */
    private static void fill(EventStream stream, long bytes) {
        while (stream.pendingBytes() < bytes) {
            assertThat(stream.send(LARGE)).isTrue();
        }
    }

    private static void sendUntilClosed(EventStream stream) {
        while (stream.send(LARGE)) {
            Thread.onSpinWait();
        }
    }

    private static void assertReads(RawClient client, int events) throws IOException {
        for (int i = 0; i < events; i++) {
            assertThat(client.readChunk()).isEqualTo("data: " + i + "\n\n");
        }
    }

    @Test
    void send_twoClients_receiveAllEventsInOrder() throws Exception {
        RawClient first = server.connect().send(GET);
        EventStream ofFirst = server.nextStream();
        RawClient second = server.connect().send(GET);
        EventStream ofSecond = server.nextStream();

        for (int i = 0; i < 1000; i++) {
            assertThat(ofFirst.send(event(i))).isTrue();
            assertThat(ofSecond.send(event(i))).isTrue();
        }

        for (RawClient client : List.of(first, second)) {
            Reply head = client.readHead();
            assertThat(head.status()).isEqualTo(200);
            assertThat(head.header("content-type")).contains("text/event-stream");
            assertThat(head.header("cache-control")).contains("no-store");
            assertThat(head.header("x-accel-buffering")).contains("no");
            assertThat(head.header("transfer-encoding")).contains("chunked");
            assertThat(head.header("x-extra")).contains("y");
            assertThat(head.header("content-length")).isEmpty();
            assertReads(client, 1000);
        }
        assertThat(server.places().held()).isEqualTo(2);
        assertThat(server.load().requests().held()).isZero();
        await().until(() -> server.load().answerBytes().held() == 0);
    }

    @Test
    void send_byManyThreads_keepsTheOrderOfEach() throws Exception {
        int each = 500;
        server.streams(1, 1 << 20);
        RawClient client = server.connect().send(GET);
        EventStream stream = server.nextStream();

        List<Thread> threads = new ArrayList<>();
        for (String name : List.of("a", "b", "c")) {
            threads.add(new Thread(() -> {
                for (int i = 0; i < each; i++) {
                    stream.send(bytes(name + " " + i));
                }
            }));
        }
        threads.forEach(Thread::start);
        for (Thread thread : threads) {
            thread.join();
        }
        stream.close();

        client.readHead();
        List<String> chunks = new ArrayList<>();
        for (String chunk = client.readChunk(); !chunk.isEmpty(); chunk = client.readChunk()) {
            chunks.add(chunk);
        }
        assertThat(chunks).hasSize(3 * each);
        for (String name : List.of("a", "b", "c")) {
            assertThat(chunks.stream().filter(chunk -> chunk.startsWith(name)))
                    .as(name)
                    .isSortedAccordingTo((x, y) -> Integer.compare(number(x), number(y)));
        }
    }

    private static int number(String chunk) {
        return Integer.parseInt(chunk.substring(2));
    }

    @Test
    void close_sendsWhatIsPendingFirst() throws Exception {
        RawClient client = server.connectNarrow().send(GET);
        EventStream stream = watched(server.nextStream());
        for (int i = 0; i < 90; i++) {
            stream.send(LARGE);
        }

        stream.close();

        assertThat(reason()).isEqualTo(CloseReason.ENDED);
        assertThat(stream.send(COMMENT)).isFalse();
        assertThat(client.readHead().header("connection")).contains("close");
        for (int i = 0; i < 90; i++) {
            assertThat(client.readChunk()).hasSize(LARGE.length);
        }
        assertThat(client.readChunk()).isEmpty();
        assertThat(client.isAtEnd()).isTrue();
        client.close();
        assertNothingIsHeld();
        server.awaitConnections(0);
    }

    @Test
    void send_nothing_doesNotEndTheBody() throws Exception {
        RawClient client = server.connect().send(GET);
        EventStream stream = server.nextStream();

        stream.send(new byte[0]);
        stream.send(event(0));

        client.readHead();
        assertReads(client, 1);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void send_beyondThePendingLimit_closesTheStreamAndTheConnection(boolean isTls) throws Exception {
        connect(isTls).send(GET);
        EventStream stream = watched(server.nextStream());

        sendUntilClosed(stream);

        assertThat(reason()).isEqualTo(CloseReason.TOO_SLOW);
        server.awaitConnections(0);
        assertThat(stream.pendingBytes()).isZero();
        assertNothingIsHeld();
    }

    @Test
    void send_withoutMemory_closesTheStream() throws Exception {
        server.memory(1 << 20, 100_000);
        server.connectNarrow().send(GET);
        EventStream stream = watched(server.nextStream());

        sendUntilClosed(stream);

        assertThat(reason()).isEqualTo(CloseReason.NO_MEMORY);
        server.awaitConnections(0);
        assertNothingIsHeld();
    }

    @Test
    void slowReader_memoryShort_isClosed() throws Exception {
        server.memory(1 << 20, 1 << 20).streams(1, 900_000);
        server.connectNarrow().send(GET);
        EventStream stream = watched(server.nextStream());

        // the kernel may still accept some bytes, but memory must stay short
        await().until(() -> {
            while (stream.pendingBytes() < 700_000 && stream.send(LARGE)) {
                Thread.onSpinWait();
            }
            return !reasons.isEmpty();
        });

        assertThat(reasons).containsExactly(CloseReason.TOO_SLOW);
        assertThat(server.count("slowClient")).isEqualTo(1);
        assertNothingIsHeld();
    }

    @Test
    void placesAreTaken_clientThatHasReadNothingForLongestGivesWay() throws Exception {
        AtomicLong nanos = new AtomicLong();
        server.loops(1).nanoTicker(nanos::get).streams(2, 1 << 20);
        server.connectNarrow().send(GET);
        EventStream first = watched(server.nextStream());
        fillUntilNothingIsRead(first);
        nanos.addAndGet(Duration.ofMillis(1_500).toNanos());
        server.connectNarrow().send(GET);
        EventStream second = server.nextStream();
        fillUntilNothingIsRead(second);

        assertThat(server.connect().send(GET).read().status()).isEqualTo(503);

        nanos.addAndGet(Duration.ofSeconds(1).toNanos());
        RawClient third = server.connect().send(GET);
        assertThat(third.readHead().status()).isEqualTo(200);
        assertThat(reason()).isEqualTo(CloseReason.TOO_SLOW);
        assertThat(second.send(COMMENT)).isTrue();
        assertThat(server.count("slowClient")).isEqualTo(1);
        assertThat(server.places().held()).isEqualTo(2);
        await().untilAsserted(() -> assertThat(first.pendingBytes()).isZero());
        assertThat(server.connect().send(GET).read().status()).isEqualTo(503);
    }

    /** Sends until the network accepts nothing more. Requires a server with one loop. */
    private void fillUntilNothingIsRead(EventStream stream) {
        await().until(() -> {
            long before = stream.pendingBytes();
            fill(stream, 500_000);
            // the answer comes after the loop has tried to write what is pending
            assertThat(server.connect()
                            .send("GET /other HTTP/1.1\nHost: h\n\n")
                            .read()
                            .status())
                    .isEqualTo(404);
            return stream.pendingBytes() == before;
        });
    }

    @Test
    void reader_idleForTheTimeout_isClosed() throws Exception {
        server.idleTimeout(SHORT);
        server.connectNarrow().send(GET);
        EventStream stream = watched(server.nextStream());

        fill(stream, 500_000);

        assertThat(reason()).isEqualTo(CloseReason.TOO_SLOW);
        server.awaitConnections(0);
        assertNothingIsHeld();
    }

    @Test
    void stream_withComments_isNotIdle() throws Exception {
        server.idleTimeout(SHORT);
        RawClient client = server.connect().send(GET);
        EventStream stream = server.nextStream();
        client.readHead();

        // connections that are opened later are closed as idle
        for (int i = 0; i < 3; i++) {
            RawClient idle = server.connect();
            CompletableFuture<Boolean> ended = new CompletableFuture<>();
            new Thread(() -> ended.completeAsync(() -> isAtEnd(idle))).start();
            while (!ended.isDone()) {
                assertThat(stream.send(COMMENT)).isTrue();
                assertThat(client.readChunk()).isEqualTo(":\n\n");
            }
            assertThat(ended.join()).isTrue();
        }
    }

    private static boolean isAtEnd(RawClient client) {
        try {
            return client.isAtEnd();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void stream_withoutComments_isClosed() throws Exception {
        server.idleTimeout(SHORT);
        RawClient client = server.connect().send(GET);
        watched(server.nextStream());

        assertThat(reason()).isEqualTo(CloseReason.SILENT);
        client.readHead();
        client.readToEnd();
        assertNothingIsHeld();
    }

    @ParameterizedTest
    @CsvSource({"false, 0", "false, 500000", "true, 0"})
    void client_disconnects_callsBackOnce(boolean isTls, int pendingBytes) throws Exception {
        RawClient client = connect(isTls).send(GET);
        EventStream stream = watched(server.nextStream());
        fill(stream, pendingBytes);

        client.close();

        assertThat(reason()).isEqualTo(CloseReason.DISCONNECTED);
        assertThat(stream.send(COMMENT)).isFalse();
        server.awaitConnections(0);
        stream.close();
        assertNothingIsHeld();
        assertThat(reasons).isEmpty();
    }

    @Test
    void client_shutsDownItsSide_receivesTheEnd() throws Exception {
        RawClient client = server.connect().send(GET);
        watched(server.nextStream());
        client.readHead();

        client.shutDownOutput();

        assertThat(reason()).isEqualTo(CloseReason.DISCONNECTED);
        assertThat(client.readChunk()).isEmpty();
        assertThat(client.isAtEnd()).isTrue();
    }

    @Test
    void client_alreadyGoneWhenTheStreamIsOpened_callsBackOnce() throws Exception {
        server.keep();
        RawClient client = server.connect().post("/echo", "x");
        Kept kept = server.next();
        // the end of the input alone does not close a connection whose client waits for an answer
        client.close();

        server.openStream(kept.exchange());
        watched(server.nextStream());

        assertThat(reason()).isEqualTo(CloseReason.DISCONNECTED);
        server.awaitConnections(0);
        assertNothingIsHeld();
        assertThat(reasons).isEmpty();
    }

    @Test
    void whenClosed_afterTheStreamWasClosed_isCalledAtOnce() throws Exception {
        server.connect().send(GET);
        EventStream stream = watched(server.nextStream());
        stream.close();
        assertThat(reason()).isEqualTo(CloseReason.ENDED);

        watched(stream);

        assertThat(reasons).containsExactly(CloseReason.ENDED);
    }

    @Test
    void server_closes_endsStreamsAtOnce() throws Exception {
        RawClient reading = server.connect().send(GET);
        watched(server.nextStream()).send(event(0));
        reading.readHead();
        assertReads(reading, 1);
        server.connectNarrow().send(GET);
        EventStream slow = watched(server.nextStream());
        fill(slow, 500_000);

        server.server().close();

        assertThat(reasons).containsExactly(CloseReason.STOPPED, CloseReason.STOPPED);
        assertThat(reading.readChunk()).isEmpty();
        assertThat(reading.isAtEnd()).isTrue();
        assertNothingIsHeld();
    }

    @Test
    void server_closes_streamOpenedMeanwhileEndsAtOnce() throws Exception {
        server.keep();
        RawClient client = server.connect().post("/echo", "x");
        Kept kept = server.next();
        HttpServer closed = server.server();
        Thread closing = new Thread(closed::close);
        closing.start();
        server.awaitNotListening();

        server.openStream(kept.exchange());
        watched(server.nextStream());

        assertThat(reason()).isEqualTo(CloseReason.STOPPED);
        assertThat(client.readHead().status()).isEqualTo(200);
        assertThat(client.readChunk()).isEmpty();
        closing.join();
        assertNothingIsHeld();
    }

    @Test
    void server_closed_streamOpenedLaterIsClosed() throws Exception {
        server.stopWithin(Duration.ofMillis(100)).keep();
        server.connect().post("/echo", "x");
        Kept kept = server.next();
        server.server().close();

        server.openStream(kept.exchange());
        EventStream stream = watched(server.nextStream());

        assertThat(reasons).containsExactly(CloseReason.STOPPED);
        assertThat(stream.send(COMMENT)).isFalse();
        assertThat(stream.pendingBytes()).isZero();
        assertThat(server.places().held()).isZero();
    }

    @Test
    void http10_isNotChunkedAndEndsWithTheConnection() throws Exception {
        RawClient client = server.connect().send("GET /events HTTP/1.0\nConnection: keep-alive\n\n");
        EventStream stream = server.nextStream();
        stream.send(event(0));
        stream.send(event(1));
        stream.close();

        Reply head = client.readHead();
        assertThat(head.header("transfer-encoding")).isEmpty();
        assertThat(head.header("content-length")).isEmpty();
        assertThat(head.header("connection")).contains("close");
        assertThat(client.readToEnd()).isEqualTo("data: 0\n\ndata: 1\n\n");
    }

    @Test
    void head_isAnsweredWithTheHeadOnly() throws Exception {
        RawClient client = server.connect().send("HEAD /events HTTP/1.1\nHost: h\n\n");
        EventStream stream = watched(server.nextStream());

        assertThat(stream.send(COMMENT)).isFalse();
        assertThat(reason()).isEqualTo(CloseReason.ENDED);
        Reply head = client.readHead();
        assertThat(head.status()).isEqualTo(200);
        assertThat(head.header("content-type")).contains("text/event-stream");
        assertThat(client.isAtEnd()).isTrue();
        assertNothingIsHeld();
    }

    @Test
    void file_ended_hasItsTypeAndALastChunk() throws Exception {
        RawClient client = server.streamType("text/csv").connect().send(GET);
        EventStream file = watched(server.nextStream());
        file.send(bytes("a,b"));
        file.close();

        assertThat(client.readHead().header("content-type")).contains("text/csv");
        assertThat(client.readChunk()).isEqualTo("a,b");
        assertThat(client.readChunk()).isEmpty();
        assertThat(reason()).isEqualTo(CloseReason.ENDED);
        client.close();
        assertNothingIsHeld();
    }

    @ParameterizedTest
    @ValueSource(strings = {"aborted", "server closed", "half closed"})
    void file_notComplete_endsWithoutALastChunk(String end) throws Exception {
        RawClient client = server.streamType("text/csv").connect().send(GET);
        EventStream file = watched(server.nextStream());
        file.send(bytes("a,b"));
        client.readHead();
        assertThat(client.readChunk()).isEqualTo("a,b");

        switch (end) {
            case "aborted" -> file.abort();
            case "server closed" -> server.server().close();
            default -> client.shutDownOutput();
        }

        assertThat(reason()).isNotEqualTo(CloseReason.ENDED);
        assertThat(client.isAtEnd()).isTrue();
        assertNothingIsHeld();
    }

    @Test
    void stream_beyondTheLimit_is503UntilAnotherIsClosed() throws Exception {
        server.streams(1, 1 << 20);
        server.connect().send(GET);
        EventStream first = watched(server.nextStream());

        RawClient client = server.connect().send(GET);
        Reply refused = client.read();
        assertThat(refused.status()).isEqualTo(503);
        assertThat(refused.header("retry-after")).isPresent();

        first.close();
        assertThat(reason()).isEqualTo(CloseReason.ENDED);
        assertThat(client.send(GET).readHead().status()).isEqualTo(200);
    }

    @Test
    void stream_afterAnUnansweredRequest_waitsForItsTurn() throws Exception {
        server.keep();
        RawClient client = server.connect().post("/echo", "x").send(GET);
        EventStream stream = server.nextStream();
        stream.send(event(0));

        server.next().echo();

        assertThat(client.read().body()).isEqualTo("\"x\"");
        client.readHead();
        assertReads(client, 1);
    }

    @Test
    void request_afterAStream_isNotAnswered() throws Exception {
        server.keep();
        RawClient client =
                server.connect().post("/echo", "a").post("/echo", "b").send(GET);
        client.send("POST /echo HTTP/1.1\nHost: h\nContent-Length: 9\n\nabc");
        List<Kept> requests = server.next(2);
        server.nextStream();

        server.openStream(requests.get(0).exchange());
        EventStream stream = watched(server.nextStream());
        requests.get(1).echo();
        client.send("defghiPOST /echo HTTP/1.1\nHost: h\nContent-Length: 1\n\nc");
        stream.send(event(0));
        stream.close();

        client.readHead();
        assertReads(client, 1);
        assertThat(client.readChunk()).isEmpty();
        assertThat(client.isAtEnd()).isTrue();
        client.close();
        assertNothingIsHeld();
    }

    @Test
    void answer_afterAStream_isIgnored() throws Exception {
        server.keep();
        RawClient client = server.connect().post("/echo", "x");
        Kept kept = server.next();
        server.openStream(kept.exchange());
        EventStream stream = server.nextStream();

        kept.echo();
        stream.send(event(0));

        client.readHead();
        assertReads(client, 1);
    }

    @Test
    void stream_afterAnAnswer_isClosed() throws Exception {
        server.keep();
        RawClient client = server.connect().post("/echo", "x");
        Kept kept = server.next();
        kept.echo();

        server.openStream(kept.exchange());
        watched(server.nextStream());

        assertThat(reason()).isEqualTo(CloseReason.ENDED);
        assertThat(client.read().body()).isEqualTo("\"x\"");
        assertNothingIsHeld();
    }

    @Test
    void tls_sendsEventsAndEnds() throws Exception {
        RawClient client = connect(true).send(GET);
        EventStream stream = watched(server.nextStream());
        for (int i = 0; i < 100; i++) {
            stream.send(event(i));
        }

        assertThat(client.readHead().status()).isEqualTo(200);
        assertReads(client, 100);
        stream.close();
        assertThat(client.readChunk()).isEmpty();
        assertThat(client.isAtEnd()).isTrue();
        client.close();
        assertNothingIsHeld();
    }

    /** Ends streams in several ways at the same time; all memory must be released exactly once. */
    @Test
    void memory_streamsEndInAnyOrder_isReleasedOnce() throws Exception {
        Random random = new Random(7);
        server.streams(1000, 200_000);
        List<Thread> threads = new ArrayList<>();
        CountDownLatch called = new CountDownLatch(100);
        for (int i = 0; i < 100; i++) {
            RawClient client = server.connectNarrow().send(GET);
            EventStream stream = server.nextStream();
            stream.whenClosed(why -> called.countDown());
            byte[] chunk = new byte[1 + random.nextInt(20_000)];
            int sends = random.nextInt(100);
            boolean closesStream = random.nextBoolean();
            threads.add(new Thread(() -> {
                for (int sent = 0; sent < sends; sent++) {
                    stream.send(chunk);
                }
                if (closesStream) {
                    stream.close();
                }
            }));
            threads.add(new Thread(() -> {
                try {
                    client.readHead();
                    client.close();
                } catch (IOException e) {
                    // the server has closed the connection of a slow client
                }
            }));
        }

        threads.forEach(Thread::start);
        for (Thread thread : threads) {
            thread.join();
        }

        assertThat(called.await(20, TimeUnit.SECONDS)).isTrue();
        server.closeClients();
        server.awaitConnections(0);
        assertNothingIsHeld();
    }
}
