// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import dev.flk.signing.message.MessageSigner;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

/**
 * A stock of requests that are made in advance, so that making them does not affect the measurement. Used by one thread
 * at a time.
 *
 * <p>The stock keeps every request in memory, about 700 bytes per certificate.
 */
final class Stock {
    /** A heartbeat of the usual size. */
    private static final String HEARTBEAT = """
            {"version":"1.0.0","host":"machine.example.org","started_at":"2026-01-01T00:00:00Z",\
            "sent_at":"2026-01-01T00:00:00Z","pending":%d,"oldest_pending_seconds":12,"settled_per_second":3.5,\
            "dead_letters":0,"lost_records":0,"last_answer_at":"2026-01-01T00:00:00Z","shards":["plant-1","plant-2"],\
            "clock_ahead_ms":0,"held_shards":0,"breaker_open":false,"outbox_bytes":1048576,\
            "disk_free_bytes":100000000000}""";

    private final Supplier<byte[]> maker;
    private final int itemsPerRequest;
    private final boolean repeats;
    private final ArrayDeque<byte[]> requests = new ArrayDeque<>();

    private Stock(Supplier<byte[]> maker, int itemsPerRequest, boolean repeats) {
        this.maker = maker;
        this.itemsPerRequest = itemsPerRequest;
        this.repeats = repeats;
    }

    /** Creates an empty stock whose requests {@code maker} makes. Each request contains one certificate. */
    static Stock of(Supplier<byte[]> maker) {
        return new Stock(maker, 1, false);
    }

    /** Creates an empty stock for requests with one certificate each. */
    public static Stock ofSingles(String path, Certificates certificates) {
        return of(() -> request("POST " + path, Map.of("Content-Type", "application/json"), certificates.next()));
    }

    /** Creates an empty stock for requests with {@code lines} certificates each. */
    public static Stock ofBatches(String path, Certificates certificates, int lines) {
        return new Stock(
                () -> {
                    ByteArrayOutputStream body = new ByteArrayOutputStream();
                    for (int i = 0; i < lines; i++) {
                        body.writeBytes(certificates.next());
                        body.write('\n');
                    }
                    return request("POST " + path, Map.of("Content-Type", "application/x-ndjson"), body.toByteArray());
                },
                lines,
                false);
    }

    /** Creates an empty stock for signed heartbeats, which come from {@code agents} agents in turn. */
    public static Stock ofHeartbeats(MessageSigner signer, int agents) {
        AtomicLong next = new AtomicLong();
        return new Stock(
                () -> {
                    long number = next.getAndIncrement();
                    String path = "/v1/agents/agent-" + number % agents;
                    byte[] body = HEARTBEAT.formatted(number).getBytes(StandardCharsets.UTF_8);
                    Map<String, String> headers = new TreeMap<>(signer.sign(
                            "PUT",
                            path,
                            Map.of(),
                            body,
                            Instant.now(),
                            UUID.randomUUID().toString()));
                    headers.put("Content-Type", "application/json");
                    return request("PUT " + path, headers, body);
                },
                1,
                false);
    }

    /** Returns an empty stock for requests of the same kind. Once filled, the stock repeats its requests in turn. */
    public Stock repeating() {
        return new Stock(maker, itemsPerRequest, true);
    }

    private static byte[] request(String methodAndPath, Map<String, String> headers, byte[] body) {
        StringBuilder head = new StringBuilder(methodAndPath).append(" HTTP/1.1\r\nHost: localhost\r\n");
        headers.forEach(
                (name, value) -> head.append(name).append(": ").append(value).append("\r\n"));
        head.append("Content-Length: ").append(body.length).append("\r\n\r\n");
        ByteArrayOutputStream request = new ByteArrayOutputStream(head.length() + body.length);
        request.writeBytes(head.toString().getBytes(StandardCharsets.US_ASCII));
        request.writeBytes(body);
        return request.toByteArray();
    }

    /** Makes requests until the stock contains at least {@code count} requests. */
    public void fill(long count) {
        while (requests.size() < count) {
            requests.add(maker.get());
        }
    }

    boolean isEmpty() {
        return requests.isEmpty();
    }

    byte[] take() {
        byte[] next = requests.remove();
        if (repeats) {
            requests.add(next);
        }
        return next;
    }

    /** Returns the number of certificates in each request. */
    public int itemsPerRequest() {
        return itemsPerRequest;
    }
}
