// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.process;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.concurrent.TimeUnit;

/**
 * One number among the metrics of a program, looked at on loopback.
 *
 * @param port where {@code /metrics} is
 */
public record Gauge(int port, String name) {
    private static final HttpClient HTTP = HttpClient.newHttpClient();
    /** Each look costs the program a page of metrics, which would count as the cost of its work. */
    private static final long BETWEEN_LOOKS_MS = 50;

    private static final long PATIENCE_NANOS = TimeUnit.MINUTES.toNanos(5);

    /**
     * Waits until it is at most so much; returns what it is then.
     *
     * @throws IOException if there is no such metric, or it is still above after five minutes
     */
    public long awaitAtMost(long most) throws IOException, InterruptedException {
        HttpRequest request = HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/metrics"))
                .build();
        long begun = System.nanoTime();
        while (true) {
            long found = HTTP.send(request, BodyHandlers.ofLines())
                    .body()
                    .filter(line -> line.startsWith(name + " "))
                    .map(line -> Math.round(Double.parseDouble(line.substring(name.length()))))
                    .findFirst()
                    .orElseThrow(() -> new IOException("there is no metric " + name));
            if (found <= most) {
                return found;
            }
            if (System.nanoTime() - begun > PATIENCE_NANOS) {
                throw new IOException("the metric " + name + " is still " + found + ", not " + most + " or less");
            }
            Thread.sleep(BETWEEN_LOOKS_MS);
        }
    }
}
