// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.flk.e2e.Client.Answer;
import dev.flk.sample.Pcs;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Tests of ten thousand connections on a heap of 256 MiB: idle clients, clients that send half a body, and clients that
 * request a lot of data and do not read it. Memory stays bounded, and well-behaved clients are served.
 */
@Alone
@Tag("thorough")
final class ManyConnectionsIT {
    private static final int CONNECTIONS = 10_000;
    /** The number of open files in addition to the connections, such as jars, log and store. */
    private static final int OTHER_FILES = 500;

    private static final int HEAP_MIB = 256;
    private static final double MIB = 1048576;
    /**
     * The limit on resident memory: the heap, the same amount for network buffers, and 300 MiB for the JVM, its code
     * and RocksDB.
     */
    private static final double MOST_RESIDENT_BYTES = (2 * HEAP_MIB + 300) * MIB;

    private static final int SUBMISSIONS = 500;

    /** The number of local addresses that clients use. A typical machine has 28,000 ports per address. */
    private static final int SOURCE_ADDRESSES = 8;

    private static final String HALF_A_BODY =
            "POST /v1/pcs/submit HTTP/1.1\r\nHost: e2e\r\nContent-Length: 4000\r\n\r\n" + "{".repeat(2000);
    private static final String MUCH_AND_UNREAD = "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".repeat(32);

    @TempDir
    private Path directory;

    @Test
    void tenThousandConnections_someSlow_leaveRoomForOthers() throws Exception {
        assumeFilesFor(CONNECTIONS + OTHER_FILES);
        List<SocketChannel> crowd = new ArrayList<>();
        try (BackendProcess backend = BackendProcess.start(
                directory, Map.of("BODY_TIMEOUT", "1h", "IDLE_TIMEOUT", "1h"), List.of("-Xmx" + HEAP_MIB + "m"))) {
            Client client = new Client(backend.url());
            for (int i = 0; i < CONNECTIONS; i++) {
                crowd.add(connect(backend.port(), i));
                // the other connections stay idle
                switch (i % 4) {
                    case 0 -> send(crowd.get(i), HALF_A_BODY);
                    case 1 -> send(crowd.get(i), MUCH_AND_UNREAD);
                    default -> {}
                }
                if (i % (CONNECTIONS / SUBMISSIONS) == 0) {
                    assertThat(client.submit(Pcs.number(i)).status()).isEqualTo(200);
                }
            }
            for (int i = 0; i < SUBMISSIONS; i++) {
                Answer answer = client.submit(Pcs.number(CONNECTIONS + i));
                assertThat(answer.status()).isEqualTo(200);
            }
            collectGarbage(backend.program().pid());
            // while unread answers fill the memory, a scrape is refused
            Client.awaitUntil(() -> client.get("/metrics").status() == 200);
            report(client);
            assertThat(client.metric("flk_http_connections") + client.metric("flk_http_slow_clients_total"))
                    .isGreaterThanOrEqualTo(CONNECTIONS);
            // the bounds are 3/16 and an eighth of the heap
            assertThat(mebibytes(client, "flk_http_body_bytes")).isLessThanOrEqualTo(HEAP_MIB * 3 / 16.0);
            assertThat(mebibytes(client, "flk_http_answer_bytes")).isLessThanOrEqualTo(HEAP_MIB / 8.0);
            assertThat(client.metric("process_resident_memory_bytes")).isLessThan(MOST_RESIDENT_BYTES);
            assertThat(backend.program().allLines()).doesNotContain("OutOfMemoryError");
        } finally {
            for (SocketChannel one : crowd) {
                one.close();
            }
        }
    }

    private static void report(Client client) throws Exception {
        System.out.printf(
                "%d connections on -Xmx%dm: %.0f open, %.0f ended for being slow, %.0f MiB of bodies, %.0f MiB of answers, heap"
                        + " %.0f MiB used after a collection, %.0f MiB resident%n",
                CONNECTIONS,
                HEAP_MIB,
                client.metric("flk_http_connections"),
                client.metric("flk_http_slow_clients_total"),
                mebibytes(client, "flk_http_body_bytes"),
                mebibytes(client, "flk_http_answer_bytes"),
                mebibytes(client, "jvm_memory_bytes_used{area=\"heap\",}"),
                mebibytes(client, "process_resident_memory_bytes"));
    }

    private static double mebibytes(Client client, String sample) throws Exception {
        return client.metric(sample) / MIB;
    }

    private static void collectGarbage(long pid) throws Exception {
        String jcmd = Path.of(System.getProperty("java.home"), "bin", "jcmd").toString();
        Process collect = new ProcessBuilder(jcmd, Long.toString(pid), "GC.run")
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        assertThat(collect.waitFor()).isZero();
    }

    private static SocketChannel connect(int port, int number) throws IOException {
        SocketChannel channel = SocketChannel.open();
        channel.setOption(StandardSocketOptions.SO_RCVBUF, 4 << 10);
        channel.bind(new InetSocketAddress("127.0.0." + (2 + number % SOURCE_ADDRESSES), 0));
        channel.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        return channel;
    }

    private static void send(SocketChannel channel, String text) throws IOException {
        channel.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII)));
    }

    /** Skips the test if the hard limit on open files is too low. The JVM raises the soft limit itself. */
    private static void assumeFilesFor(int files) throws IOException {
        Pattern hardLimit = Pattern.compile("^Max open files +\\S+ +(\\S+)", Pattern.MULTILINE);
        Matcher limits = hardLimit.matcher(Files.readString(Path.of("/proc/self/limits")));
        String hard = limits.find() ? limits.group(1) : "unknown";
        boolean enough = hard.equals("unlimited") || (hard.matches("[0-9]+") && Long.parseLong(hard) >= files);
        if (!enough) {
            System.out.println("SKIPPED, not tested here: " + files + " open files are needed, ulimit -Hn is " + hard);
        }
        assumeTrue(enough, "ulimit -Hn is " + hard);
    }
}
