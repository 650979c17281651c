// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnostics.debug;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import jdk.jfr.consumer.RecordingFile;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(60)
class DebugServerTest {
    private DebugServer server;

    @BeforeEach
    void start() throws IOException {
        server = DebugServer.start(0);
    }

    @AfterEach
    void stop() throws IOException {
        server.close();
    }

    @Test
    void threads_namesEachWithItsFramesAndLocks() throws IOException {
        Object lock = new Object();
        synchronized (lock) {
            assertThat(get("/threads"))
                    .startsWith("HTTP/1.1 200 OK\r\n")
                    .contains("\"debug-1\"", "java.lang.Thread.State: ", "at dev.flk.diagnostics.debug.")
                    .containsPattern("- locked <0x[0-9a-f]+> \\(a java.lang.Object\\)");
        }
    }

    @Test
    void heap_hasPoolsCollectorsBuffersAndFiftyClasses() throws IOException {
        String text = get("/heap");

        assertThat(text)
                .startsWith("HTTP/1.1 200 OK\r\n")
                .contains("\nheap ", "\nnon-heap ", "\nbuffers, direct ", "\nCOLLECTOR ", "java.lang.String");
        assertThat(text.lines().filter(line -> line.matches(" *[0-9]+: .*"))).hasSize(50);
    }

    @Test
    void root_listsWhatThereIs() throws IOException {
        assertThat(get("/")).startsWith("HTTP/1.1 200 OK\r\n").contains("/threads", "/heap", "/jfr?seconds=30");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "GET /threads HTTP/1.1\r\nHost: attacker.example:PORT",
                "GET /threads HTTP/1.1\r\nHost: localhost:1",
                "GET /threads HTTP/1.1\r\nHost: localhost:PORT\r\nHost: attacker.example",
                "GET /threads HTTP/1.1",
                "GET /threads HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nOrigin: http://localhost:PORT",
                "POST /jfr?seconds=1 HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\norigin: null",
                "GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nSec-Fetch-Site: cross-site"
            })
    void pagesOfABrowser_areRefused(String head) throws IOException {
        assertThat(ask(head)).startsWith("HTTP/1.1 403 Forbidden\r\n").doesNotContain("debug-1");
    }

    @ParameterizedTest
    @ValueSource(strings = {"127.0.0.1", "localhost"})
    void ownNames_areServed(String name) throws IOException {
        assertThat(ask("GET / HTTP/1.1\r\nHost: " + name + ":PORT\r\nSec-Fetch-Site: none"))
                .startsWith("HTTP/1.1 200 OK\r\n");
    }

    @Test
    void whatIsNotThere_isToldWithTheListOfWhatIs() throws IOException {
        assertThat(get("/metrics")).startsWith("HTTP/1.1 404 Not Found\r\n").contains("/threads");
        assertThat(get("/jfr")).startsWith("HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\n");
        assertThat(ask("POST /heap HTTP/1.1\r\nHost: localhost:PORT"))
                .startsWith("HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\n");
        assertThat(ask("nonsense")).startsWith("HTTP/1.1 400 Bad Request\r\n");
        assertThat(ask("GET / HTTP/1.1\r\nX: " + "x".repeat(9_000))).startsWith("HTTP/1.1 400 Bad Request\r\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "301", "1e1", "-1", "", "1000"})
    void jfr_forNoTimeOrTooLong_isRefused(String seconds) throws IOException {
        assertThat(post("/jfr?seconds=" + seconds)).startsWith("HTTP/1.1 400 Bad Request\r\n");
    }

    @Test
    void jfr_isARecording_andLeavesNoFile(@TempDir Path directory) throws IOException {
        List<Path> before = temporaryFiles();
        byte[] answer = exchange("POST /jfr?seconds=1 HTTP/1.1\r\nHost: 127.0.0.1:PORT");

        assertThat(text(answer)).startsWith("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n");
        int body = text(answer).indexOf("\r\n\r\n") + 4;
        Path file = directory.resolve("flk.jfr");
        Files.write(file, java.util.Arrays.copyOfRange(answer, body, answer.length));
        assertThat(RecordingFile.readAllEvents(file))
                .isNotEmpty()
                .noneMatch(event -> FlightRecording.TELLING_SECRETS.contains(
                        event.getEventType().getName()));
        assertThat(temporaryFiles()).isEqualTo(before);
    }

    @Test
    void jfr_besideAnotherRecording_isRefused() throws IOException {
        try (jdk.jfr.Recording other = new jdk.jfr.Recording()) {
            other.start();

            assertThat(post("/jfr?seconds=1"))
                    .startsWith("HTTP/1.1 409 Conflict\r\n")
                    .contains("records already");
        }
    }

    @Test
    void jfr_oneAtATime_andCloseEndsIt() throws Exception {
        CompletableFuture<String> first = CompletableFuture.supplyAsync(() -> {
            try {
                return post("/jfr?seconds=300");
            } catch (IOException e) {
                return "cut off";
            }
        });
        Awaitility.await()
                .until(() -> jdk.jfr.FlightRecorder.getFlightRecorder().getRecordings().stream()
                        .anyMatch(recording -> recording.getName().equals("flk")));

        assertThat(post("/jfr?seconds=1")).startsWith("HTTP/1.1 409 Conflict\r\n");
        server.close();

        assertThat(first.get(20, TimeUnit.SECONDS)).doesNotStartWith("HTTP/1.1 200");
    }

    @Test
    void idleConnections_delayOthersAndAreCutOff() throws IOException {
        List<Socket> idle = new ArrayList<>();
        try {
            for (int i = 0; i < DebugServer.MOST_CONNECTIONS; i++) {
                idle.add(new Socket(InetAddress.getLoopbackAddress(), server.port()));
            }
            assertThat(get("/")).startsWith("HTTP/1.1 200 OK\r\n");
        } finally {
            for (Socket socket : idle) {
                socket.close();
            }
        }
    }

    @Test
    void takenPort_isNamed() {
        assertThatIOException()
                .isThrownBy(() -> DebugServer.start(server.port()).close())
                .withMessageStartingWith("DEBUG_PORT " + server.port() + " can't be used: ")
                .withMessageEndingWith("; choose another");
    }

    private String get(String target) throws IOException {
        return ask("GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1:PORT");
    }

    private String post(String target) throws IOException {
        return ask("POST " + target + " HTTP/1.1\r\nHost: 127.0.0.1:PORT");
    }

    private String ask(String head) throws IOException {
        return text(exchange(head));
    }

    private byte[] exchange(String head) throws IOException {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), server.port()), 10_000);
            socket.setSoTimeout(30_000);
            socket.getOutputStream()
                    .write((head.replace("PORT", Integer.toString(server.port())) + "\r\n\r\n")
                            .getBytes(StandardCharsets.US_ASCII));
            return socket.getInputStream().readAllBytes();
        }
    }

    private static String text(byte[] answer) {
        return new String(answer, StandardCharsets.ISO_8859_1);
    }

    private static List<Path> temporaryFiles() throws IOException {
        try (Stream<Path> files = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
            return files.filter(file -> file.getFileName().toString().startsWith("flk-"))
                    .sorted()
                    .toList();
        }
    }
}
