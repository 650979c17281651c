// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench;

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.function.Supplier;

/**
 * A stock of requests that are made in advance, so that making them does not affect the measurement. Used by one thread
 * at a time.
 *
 * <p>The stock keeps every request in memory, about 700 bytes per certificate.
 */
final class Stock {
    private final Supplier<byte[]> maker;
    private final int itemsPerRequest;
    private final boolean repeats;
    private final ArrayDeque<byte[]> requests = new ArrayDeque<>();

    private Stock(Supplier<byte[]> maker, int itemsPerRequest, boolean repeats) {
        this.maker = maker;
        this.itemsPerRequest = itemsPerRequest;
        this.repeats = repeats;
    }

    /** Creates an empty stock for requests with one certificate each. */
    public static Stock ofSingles(String path, Certificates certificates) {
        return new Stock(() -> request(path, "application/json", certificates.next()), 1, false);
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
                    return request(path, "application/x-ndjson", body.toByteArray());
                },
                lines,
                false);
    }

    /** Returns an empty stock for requests of the same kind. Once filled, the stock repeats its requests in turn. */
    public Stock repeating() {
        return new Stock(maker, itemsPerRequest, true);
    }

    private static byte[] request(String path, String type, byte[] body) {
        ByteArrayOutputStream request = new ByteArrayOutputStream(body.length + 128);
        request.writeBytes(("POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + type
                        + "\r\nContent-Length: " + body.length + "\r\n\r\n")
                .getBytes(StandardCharsets.US_ASCII));
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
