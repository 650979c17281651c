// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.flk.e2e.Crowd.Told;
import dev.flk.sample.Pcs;
import java.net.InetAddress;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.LongFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Who gets what of 100 a second when one wants all of it. What is asked is counted; the printed figures, with and without what helps, are in
 * {@code docs/overload.md}.
 */
@Alone
final class FairnessIT {
    private static final String MAD = "mad";

    @TempDir
    private Path directory;

    private Map<String, String> environment(String... more) {
        Map<String, String> environment = new LinkedHashMap<>();
        environment.put("TOKEN_RATE", "100");
        environment.put("PCS_HMAC_KEY", Crowd.key(MAD));
        environment.put(
                "PCS_HMAC_KEYS",
                IntStream.range(0, Crowd.HONEST)
                        .mapToObj(i -> Crowd.key(Crowd.shard(i)))
                        .collect(Collectors.joining(",")));
        for (int i = 0; i < more.length; i += 2) {
            environment.put(more[i], more[i + 1]);
        }
        return environment;
    }

    private interface Check {
        void of(Client client, Told told, BackendProcess backend) throws Exception;
    }

    private void run(String name, Map<String, String> environment, String from, LongFunction<byte[]> mad, Check check)
            throws Exception {
        try (BackendProcess backend = BackendProcess.start(directory, environment)) {
            Told told = new Crowd(backend.port()).run(InetAddress.getByName(from), mad);
            System.out.println("fairness, " + name + ": " + told);
            Client client = new Client(backend.url());
            // a machine on which nobody wants too much shows nothing; who is refused unread can't send much
            boolean isTooMuch = told.madSent() > 200 + 2 * 100 * told.seconds() || limited(client, "address") > 0;
            assumeTrue(isTooMuch, "this machine is too busy to send too much");
            check.of(client, told, backend);
        }
    }

    private static double limited(Client client, String limit) throws Exception {
        return client.metric("flk_rate_limited_by_total{limit=\"" + limit + "\",}");
    }

    /** New certificates of one shard, each signed as it must be. */
    private static byte[] runaway(long number) {
        return Pcs.number(number).ofShard(MAD).signedBy(Crowd.key(MAD)).bytes();
    }

    private static byte[] stranger(long number) {
        return Pcs.number(number)
                .ofShard(Crowd.shard(0))
                .signedBy("not a key of anybody")
                .bytes();
    }

    /** The same certificate of an honest sender again and again, as whoever has seen it can. */
    private static byte[] replay(long number) {
        return Pcs.number(0)
                .ofShard(Crowd.shard(0))
                .signedBy(Crowd.key(Crowd.shard(0)))
                .bytes();
    }

    @Test
    void runaway_isHeldToWhatTheOthersLeave() throws Exception {
        run("a runaway agent", environment(), "127.0.0.2", FairnessIT::runaway, (client, told, backend) -> {
            assertThat(told.inTheEnd()).isEqualTo(told.honest());
            assertThat(told.atOnce()).isGreaterThanOrEqualTo(told.honest() * 95 / 100);
            assertThat(told.jain()).isGreaterThan(0.99);
            assertThat(told.madTaken()).isLessThan(200 + (long) (100 * told.seconds()));
            assertThat(limited(client, "shard")).isPositive();
            backend.program().awaitLine(line -> line.contains("held back (shard): shard mad had its share"));
        });
    }

    @Test
    void runaway_withoutShares_hasMostOfIt() throws Exception {
        run(
                "a runaway agent, FAIR_SHARES=off",
                environment("FAIR_SHARES", "off"),
                "127.0.0.2",
                FairnessIT::runaway,
                (client, told, backend) -> {
                    assertThat(told.atOnce())
                            .as("or the other test shows nothing")
                            .isLessThan(told.honest() * 80 / 100);
                    assertThat(limited(client, "shard")).isZero();
                });
    }

    @Test
    void strangerWithBadSignatures_isRefusedUnread() throws Exception {
        run("a stranger", environment(), "127.0.0.2", FairnessIT::stranger, (client, told, backend) -> {
            assertThat(told.inTheEnd()).isEqualTo(told.honest());
            assertThat(told.atOnce()).isGreaterThanOrEqualTo(told.honest() * 95 / 100);
            assertThat(limited(client, "address")).isPositive();
            assertThat(client.metric("flk_signature_errors"))
                    .isLessThan(100 + 10 * (told.seconds() + 60)); // its burst, and its rate
            assertThat(client.metric("flk_held_addresses")).isLessThanOrEqualTo(1);
            backend.program().awaitLine(line -> line.contains("held back (address)") && line.contains("127.0.0.2"));
            backend.program()
                    .awaitLine(line ->
                            line.contains("Signature verification failed for") && line.contains(", from 127.0.0.2"));
        });
    }

    @Test
    void strangerWithBadSignatures_withoutLimit_hasMostOfIt() throws Exception {
        run(
                "a stranger, ADDRESS_FAILURE_RATE=0",
                environment("ADDRESS_FAILURE_RATE", "0"),
                "127.0.0.2",
                FairnessIT::stranger,
                (client, told, backend) -> assertThat(told.atOnce())
                        .as("or the other test shows nothing")
                        .isLessThan(told.honest() * 80 / 100));
    }

    @Test
    void strangerWithReplays_takesNothingOfWhoSignedThem() throws Exception {
        run("a stranger with replays", environment(), "127.0.0.2", FairnessIT::replay, (client, told, backend) -> {
            assertThat(told.inTheEnd()).isEqualTo(told.honest());
            assertThat(told.atOnce()).isGreaterThanOrEqualTo(told.honest() * 95 / 100);
            assertThat(limited(client, "known")).isPositive();
            assertThat(limited(client, "shard")).isZero();
        });
    }
}
