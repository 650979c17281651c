// SPDX-License-Identifier: Apache-2.0

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Sends fresh certificates at a steady rate, whatever the answers. Run as a source file by {@code redis-stop.sh}:
 *
 * <pre>
 * java SignedTraffic.java URL PER_SECOND SHARD ANSWERS_FILE      with PCS_HMAC_KEY in the environment
 * </pre>
 *
 * It writes a line an answer, {@code <sent, ms since 1970> <status, 0 for none> <ms it took>}. Of standard input it obeys the lines
 * {@code stop}, answered with {@code sent N} once all are answered, and {@code check}, which sends all of them again and is answered
 * with {@code checked N lost L changed C conflicts D}: lost is what is no duplicate by now, changed what had another answer before.
 */
final class SignedTraffic {
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final String ROOT = "5a".repeat(32);

    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final ScheduledExecutorService timer = Executors.newSingleThreadScheduledExecutor();
    private final AtomicLong underWay = new AtomicLong();
    private final Map<Long, String> accepted = new ConcurrentHashMap<>();
    private final URI target;
    private final String shard;
    private final String key;
    private final PrintStream answers;
    private long sent;

    private SignedTraffic(String url, String shard, String key, PrintStream answers) {
        this.target = URI.create(url + "/v1/pcs/submit");
        this.shard = shard;
        this.key = key;
        this.answers = answers;
    }

    public static void main(String[] arguments) throws Exception {
        try (PrintStream answers = new PrintStream(arguments[3], StandardCharsets.UTF_8)) {
            SignedTraffic traffic =
                    new SignedTraffic(arguments[0], arguments[2], System.getenv("PCS_HMAC_KEY"), answers);
            traffic.obey(Integer.parseInt(arguments[1]));
        }
    }

    private void obey(int perSecond) throws Exception {
        timer.scheduleAtFixedRate(this::sendNext, 0, TimeUnit.SECONDS.toNanos(1) / perSecond, TimeUnit.NANOSECONDS);
        BufferedReader orders = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String order = orders.readLine(); order != null; order = orders.readLine()) {
            if (order.equals("stop")) {
                stop();
                System.out.println("sent " + sent);
            } else if (order.equals("check")) {
                check();
            }
        }
        timer.shutdownNow();
    }

    private void sendNext() {
        long epoch = sent++;
        long begun = System.currentTimeMillis();
        long begunNanos = System.nanoTime();
        underWay.incrementAndGet();
        http.sendAsync(submission(epoch), BodyHandlers.ofString()).whenComplete((answer, failure) -> {
            long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begunNanos);
            if (answer != null && answer.statusCode() == 200) {
                accepted.put(epoch, answer.body());
            }
            answers.println(begun + " " + (answer == null ? 0 : answer.statusCode()) + " " + millis);
            underWay.decrementAndGet();
        });
    }

    private void stop() throws InterruptedException {
        timer.shutdown();
        timer.awaitTermination(PATIENCE.toSeconds(), TimeUnit.SECONDS);
        while (underWay.get() > 0) {
            TimeUnit.MILLISECONDS.sleep(10);
        }
        answers.flush();
    }

    private void check() throws IOException, InterruptedException {
        long lost = 0;
        long changed = 0;
        long conflicts = 0;
        for (long epoch = 0; epoch < sent; epoch++) {
            HttpResponse<String> again = http.send(submission(epoch), BodyHandlers.ofString());
            boolean duplicate = again.headers().firstValue("X-Flk-Duplicate").isPresent();
            if (again.statusCode() != 200 || !duplicate) {
                lost++;
            } else if (!again.body().equals(accepted.getOrDefault(epoch, again.body()))) {
                changed++;
            }
            if (again.headers().firstValue("X-Flk-Conflict").isPresent()) {
                conflicts++;
            }
        }
        System.out.println("checked " + sent + " lost " + lost + " changed " + changed + " conflicts " + conflicts);
    }

    private HttpRequest submission(long epoch) {
        return HttpRequest.newBuilder(target)
                .timeout(PATIENCE)
                .POST(BodyPublishers.ofString(certificate(epoch)))
                .build();
    }

    /** One that is accepted under the default policy. */
    private String certificate(long epoch) {
        try {
            String id = HexFormat.of()
                    .formatHex(MessageDigest.getInstance("SHA-256").digest(utf8(ROOT + "|" + epoch + "|" + shard)));
            String signed = "\"budget\":0.26,\"coh_star\":0.5,\"epoch\":" + epoch + ",\"merkle_root\":\"" + ROOT
                    + "\",\"pcs_id\":\"" + id + "\",\"r\":0.8,\"shard_id\":\"" + shard + "\"";
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(utf8(key), "HmacSHA256"));
            String sig = Base64.getEncoder().encodeToString(mac.doFinal(utf8("{\"D_hat\":1.0," + signed + "}")));
            return "{\"D_hat\":1.0," + signed + ",\"schema\":\"fractal-lba-kakeya\",\"version\":\"0.1\",\"regime\":\"mixed\""
                    + ",\"sent_at\":\"2026-01-01T00:00:00Z\",\"scales\":[2,4,8,16]"
                    + ",\"N_j\":{\"2\":5,\"4\":10,\"8\":20,\"16\":40},\"sig\":\"" + sig + "\"}";
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException(e);
        }
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
