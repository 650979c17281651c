// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.http;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.backend.config.HttpConfig;
import dev.flk.backend.http.Endpoint.Kind;
import dev.flk.backend.limit.Limits;
import dev.flk.backend.limit.Sender;
import dev.flk.backend.metrics.Meters;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.math.BigDecimal;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;

/** Long compressed bodies on one event loop, beside other requests: connections without sockets, whose loop goes on when the test says so. */
final class UnpackingTest {
    private static final int MAX_BODY_BYTES = 1 << 20;
    private static final int MAX_BATCH_BYTES = 8 << 20;
    private static final int MAX_LINES = 10;
    private static final int FAILURES = 10;
    private static final Duration LONG = Duration.ofMinutes(10);
    private static final HttpConfig CONFIG = new HttpConfig(
            0, "127.0.0.1", MAX_BODY_BYTES, MAX_LINES, MAX_BATCH_BYTES, 10, 1000, LONG, LONG, LONG, null);

    private final Meters meters = new Meters("test");
    private final ScriptedIngest ingest = new ScriptedIngest();
    private final Limits limits = new Limits(
            new Limits.Sizes(BigDecimal.TEN, 10, Limits.Sharing.FAIR, new BigDecimal("0.001"), FAILURES, 10),
            () -> 0,
            meters);
    private ServerLoad load = ServerLoad.of(CONFIG, 256 << 20);
    private final DuplexEmbeddedChannel first = new DuplexEmbeddedChannel();
    /** Each look at it is a turn later. */
    private long nanos;

    private final Loop loop =
            new Loop(first.eventLoop(), ingest, meters, () -> Instant.EPOCH, () -> nanos += LongWork.TURN_NANOS);

    private DuplexEmbeddedChannel connect(DuplexEmbeddedChannel channel, String address) throws IOException {
        assertThat(load.connections().take(1)).isTrue();
        Sender sender = Sender.from(InetAddress.getByName(address));
        assertThat(limits.connect(sender)).isTrue();
        Routes routes = Routes.of(
                Served.EVERYTHING,
                new SubmitHandler(MAX_BODY_BYTES, meters, () -> 0),
                new BatchHandler(CONFIG, limits, meters, () -> 0),
                Endpoint.bodyless(Kind.LOOK_UP, new LookUpHandler(ingest)::serve),
                new OpsHandler(List::of, new Scrapes(meters), new MetricsGuard(null)));
        RequestDecoder decoder = new RequestDecoder(() -> 0);
        ServerParts parts = new ServerParts(CONFIG, routes, load, limits, meters, () -> 0);
        channel.pipeline().addLast(decoder).addLast(new Connection(parts, sender, loop, decoder));
        return channel;
    }

    private static void post(DuplexEmbeddedChannel channel, String path, byte[] body, String header) {
        String head =
                "POST " + path + " HTTP/1.1\r\nHost: h\r\n" + header + "Content-Length: " + body.length + "\r\n\r\n";
        channel.writeInbound(Unpooled.wrappedBuffer(
                Unpooled.copiedBuffer(head, StandardCharsets.US_ASCII), Unpooled.wrappedBuffer(body)));
    }

    private static void postZipped(DuplexEmbeddedChannel channel, byte[] batch) throws IOException {
        ByteArrayOutputStream zipped = new ByteArrayOutputStream();
        try (OutputStream out = new GZIPOutputStream(zipped)) {
            out.write(batch);
        }
        post(channel, "/v1/pcs/batch", zipped.toByteArray(), "Content-Encoding: gzip\r\n");
    }

    /** One look at the connections, and what is to do then. */
    private void goOn() {
        first.runPendingTasks();
    }

    private String answer(DuplexEmbeddedChannel channel) {
        int most = 3 * MAX_BATCH_BYTES / Decoding.STEP_ENCODED_BYTES;
        ByteBuf answer = channel.readOutbound();
        for (int looks = 0; answer == null && looks < most; looks++) {
            goOn();
            answer = channel.readOutbound();
        }
        assertThat(answer).as("answer after %d looks at the connections", most).isNotNull();
        String text = answer.toString(0, Math.min(answer.readableBytes(), 500), StandardCharsets.US_ASCII);
        answer.release();
        return text;
    }

    private void assertNothingIsHeld() {
        assertThat(List.of(
                        load.requests().held(),
                        load.bodyBytes().held(),
                        load.answerBytes().held()))
                .containsOnly(0L);
    }

    private static byte[] spaces(int bytes) {
        byte[] spaces = new byte[bytes];
        Arrays.fill(spaces, (byte) ' ');
        return spaces;
    }

    /** Lines that cannot be made much shorter. */
    private static byte[] noise(int bytes) {
        byte[] noise = new byte[bytes];
        Random random = new Random(1);
        for (int i = 0; i < bytes; i++) {
            noise[i] = (byte) (i % (bytes / MAX_LINES + 1) == bytes / MAX_LINES ? '\n' : 'a' + random.nextInt(20));
        }
        return noise;
    }

    @Test
    void longBatch_isUnpackedBesideOthers_whoDoNotWaitForIt() throws IOException {
        DuplexEmbeddedChannel other = connect(new DuplexEmbeddedChannel(), "192.0.2.2");
        byte[] batch = noise(4 << 20);
        postZipped(connect(first, "192.0.2.1"), batch);
        for (int i = 0; i < 10; i++) {
            post(other, "/v1/pcs/submit", new byte[] {'x'}, "");
            goOn();
            assertThat(answer(other)).startsWith("HTTP/1.1 200 ");
        }
        assertThat(ingest.turns).as("turns that brought one certificate").hasSize(10);
        assertThat(first.outboundMessages()).isEmpty();

        ingest.turns.clear();
        assertThat(answer(first)).startsWith("HTTP/1.1 200 ");
        assertThat(ingest.turns).as("parts of the batch").hasSize(MAX_LINES);
        assertThat(ingest.turns.stream()
                        .flatMap(List::stream)
                        .map(ScriptedIngest::body)
                        .collect(Collectors.joining("\n")))
                .isEqualTo(new String(batch, StandardCharsets.US_ASCII));
        assertNothingIsHeld();
    }

    @Test
    void whatComesBehindIt_onTheSameConnection_waits() throws IOException {
        byte[] batch = noise(1 << 20);
        postZipped(connect(first, "192.0.2.1"), batch);
        post(first, "/v1/pcs/submit", new byte[] {'x'}, "");
        assertThat(answer(first)).startsWith("HTTP/1.1 200 ");
        assertThat(answer(first)).startsWith("HTTP/1.1 200 ");
        assertThat(ingest.turns.stream().flatMap(List::stream).map(ScriptedIngest::body))
                .hasSize(MAX_LINES + 1)
                .endsWith("x");
        assertNothingIsHeld();
    }

    /** It is valid, and one of it is taken; but it makes much work of few bytes, and so is charged for. */
    @Test
    void paddedBatch_isTaken_andMoreOfIt_fromThatAddress_isNot() throws IOException {
        DuplexEmbeddedChannel second = connect(new DuplexEmbeddedChannel(), "192.0.2.1");
        DuplexEmbeddedChannel stranger = connect(new DuplexEmbeddedChannel(), "192.0.2.2");
        connect(first, "192.0.2.1");
        byte[] batch = spaces(1 << 20);
        postZipped(first, batch);
        postZipped(second, batch);
        postZipped(stranger, batch);

        assertThat(answer(first)).startsWith("HTTP/1.1 200 ");
        assertThat(answer(stranger)).startsWith("HTTP/1.1 200 ");
        assertThat(answer(second)).startsWith("HTTP/1.1 429 ").contains("\r\nRetry-After: ");
        assertThat(ingest.turns).hasSize(2);
        assertNothingIsHeld();
    }

    /** The same for work that comes to nothing. */
    @Test
    void megabytesThatStandForNothing_areChargedFor() throws IOException {
        byte[] emptyBlocks = new byte[2 << 20];
        for (int i = 0; i + 5 <= emptyBlocks.length; i += 5) {
            emptyBlocks[i + 3] = (byte) 0xff;
            emptyBlocks[i + 4] = (byte) 0xff;
        }
        post(connect(first, "192.0.2.1"), "/v1/pcs/batch", emptyBlocks, "Content-Encoding: deflate\r\n");
        assertThat(answer(first)).startsWith("HTTP/1.1 400 ");
        post(first, "/v1/pcs/submit", new byte[] {'x'}, "");
        assertThat(answer(first)).startsWith("HTTP/1.1 429 ");
        assertNothingIsHeld();
    }

    @Test
    void clientThatIsGone_isUnpackedNoFurther() throws IOException {
        postZipped(connect(first, "192.0.2.1"), noise(4 << 20));
        var unused = first.close();
        goOn();
        goOn();
        assertThat(ingest.turns).isEmpty();
        assertNothingIsHeld();
    }

    @Test
    void serverThatCloses_letsGoOfWhatIsUnpacked() throws IOException {
        postZipped(connect(first, "192.0.2.1"), noise(4 << 20));
        loop.closeAll();
        goOn();
        assertThat(ingest.turns).isEmpty();
        assertNothingIsHeld();
    }

    /** The decoder's own memory counts. */
    @Test
    void longBatch_forWhoseDecoderThereIsNoRoom_isRefused() throws IOException {
        byte[] batch = noise(2 * Decoding.STEP_DECODED_BYTES);
        load = ServerLoad.of(CONFIG, 4L * (batch.length + Decoding.STEP_DECODED_BYTES + 8_000));
        postZipped(connect(first, "192.0.2.1"), batch);
        assertThat(answer(first)).startsWith("HTTP/1.1 503 ");
        assertNothingIsHeld();
    }
}
