// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.logs;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.flk.backend.logs.ForgettableLog.NotForgettableException;
import dev.flk.backend.logs.LogRegistry.Change;
import dev.flk.backend.logs.Logs.RegistryMetrics;
import dev.flk.backend.logs.Logs.Status;
import dev.flk.backend.stores.StoreUnavailableException;
import dev.flk.program.logging.Audit;
import dev.flk.program.metrics.Metrics;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tests of what backends see of each other, with their clocks and without threads. */
class LogsTest {
    private static final long START_MILLIS =
            Instant.parse("2026-11-28T12:00:00Z").toEpochMilli();
    private static final Duration KEEP = Duration.ofDays(14);

    /** The registry that all backends of a test share. */
    private final Map<String, LogEntry> shared = new LinkedHashMap<>();

    private boolean isDown;
    private long elapsedNanos;
    private final Backend a = new Backend(1, "a");
    private final Backend b = new Backend(2, "b");

    private final class Backend {
        private final int number;
        private final String name;
        private final Metrics metrics = new Metrics("1");
        private Logs logs;
        private String instance;
        private String policy = "p1";
        private String keys = "k1";
        private LogEntry.@Nullable Figures figures = LogEntry.Figures.NONE;
        private boolean ownsLog = true;
        private Duration clockAhead = Duration.ZERO;

        Backend(int number, String name) {
            this.number = number;
            this.name = name;
            restart();
        }

        /** Starts the backend again with what it knew lost, as after a kill. */
        void restart() {
            instance = "%016x".formatted(instance == null ? number : Long.parseLong(instance, 16) + 100);
            Metrics fresh = logs == null ? metrics : new Metrics("1");
            logs = new Logs(
                    new Shared(),
                    () -> new LogEntry(
                            id(number),
                            name,
                            instance,
                            "host:1",
                            "1",
                            policy,
                            keys,
                            START_MILLIS,
                            millis(),
                            5,
                            0,
                            false,
                            false,
                            figures),
                    () -> ownsLog,
                    KEEP,
                    () -> Instant.ofEpochMilli(millis()),
                    () -> elapsedNanos,
                    new RegistryMetrics(fresh),
                    Audit.none());
        }

        private long millis() {
            return START_MILLIS + clockAhead.toMillis() + TimeUnit.NANOSECONDS.toMillis(elapsedNanos);
        }

        Status sees(Backend other) {
            return logs.view().logs().stream()
                    .filter(log -> log.entry().name().equals(other.name))
                    .map(Logs.RegisteredLog::status)
                    .findFirst()
                    .orElse(null);
        }

        boolean leavesOpen() {
            List<Boolean> answers = new ArrayList<>();
            logs.ask(answers::add);
            logs.look();
            assertThat(answers).hasSize(1);
            return answers.get(0);
        }

        double missing() {
            return metrics.read().sum("flk_logs_missing");
        }
    }

    private final class Shared implements LogRegistry {
        @Override
        public Map<String, LogEntry> update(List<Change> changes) {
            if (isDown) {
                throw new StoreUnavailableException("the store is down");
            }
            Map<String, LogEntry> before = new LinkedHashMap<>(shared);
            changes.forEach(change -> LogRegistry.apply(change, shared));
            return before;
        }

        @Override
        public void close() {}
    }

    private static String id(int log) {
        return "%032x".formatted(log);
    }

    /** Lets time pass, in steps of a look; the given backends run. */
    private void pass(Duration time, Backend... running) {
        long end = elapsedNanos + time.toNanos();
        while (elapsedNanos < end) {
            elapsedNanos = Math.min(end, elapsedNanos + Logs.LOOK_EVERY.toNanos());
            for (Backend backend : running) {
                backend.logs.look();
            }
        }
    }

    @Test
    void register_failsUntilTheRegistryHasTheLog() {
        isDown = true;
        assertThat(a.logs.register("k1"))
                .failsWithin(Duration.ofMinutes(1))
                .withThrowableOfType(ExecutionException.class)
                .withCauseInstanceOf(StoreUnavailableException.class);
        isDown = false;
        a.logs.register("k2").toCompletableFuture().join();
        assertThat(shared.get(id(1)).keys()).isEqualTo("k2");

        isDown = true;
        a.logs.register("k1").toCompletableFuture().join();
    }

    @Test
    void runningBackends_seeEachOther() {
        pass(Duration.ofMinutes(30), a, b);
        assertThat(a.sees(b)).isEqualTo(Status.UP);
        assertThat(b.sees(a)).isEqualTo(Status.UP);
        assertThat(a.missing()).isZero();
    }

    @Test
    void killedBackend_isMissingAfterTenMinutes_andNotBefore() {
        pass(Duration.ofMinutes(5), a, b);
        pass(Duration.ofMinutes(8), a);
        assertThat(a.sees(b)).isEqualTo(Status.QUIET);
        assertThat(a.missing()).isZero();
        pass(Duration.ofMinutes(2), a);
        assertThat(a.sees(b)).isEqualTo(Status.MISSING);
        assertThat(a.missing()).isOne();
        pass(Duration.ofSeconds(5), b, a);
        assertThat(a.sees(b)).isEqualTo(Status.UP);
        assertThat(a.missing()).isZero();
    }

    @Test
    void backendThatStartsLater_findsTheMissingLogWithinMinutes() {
        pass(Duration.ofMinutes(1), a, b);
        pass(Duration.ofHours(1));
        a.restart();
        pass(Duration.ofSeconds(60), a);
        assertThat(a.sees(b)).isEqualTo(Status.QUIET);
        pass(Duration.ofSeconds(40), a);
        assertThat(a.sees(b)).isEqualTo(Status.MISSING);
    }

    @Test
    void clocksThatAreFarApart_raiseNoAlarm() {
        a.clockAhead = Duration.ofHours(6);
        pass(Duration.ofHours(1), a, b);
        assertThat(a.sees(b)).isEqualTo(Status.UP);
        assertThat(b.sees(a)).isEqualTo(Status.UP);
        pass(Duration.ofMinutes(11), b);
        assertThat(b.sees(a))
                .as("a clock that was ahead does not hide the loss")
                .isEqualTo(Status.MISSING);
    }

    @Test
    void clockThatJumps_raisesNoAlarm() {
        pass(Duration.ofMinutes(5), a, b);
        a.clockAhead = Duration.ofDays(1);
        pass(Duration.ofSeconds(60), a, b);
        assertThat(a.sees(b)).isEqualTo(Status.UP);
        assertThat(a.missing()).isZero();
    }

    @Test
    void backends_areThoseThatReportedInTheLast30Seconds() {
        assertThat(a.logs.backends()).as("before the registry is read").isOne();
        b.clockAhead = Duration.ofHours(6);
        pass(Duration.ofMinutes(10), a, b);
        assertThat(a.logs.backends()).isEqualTo(2);
        pass(Duration.ofSeconds(20), a);
        assertThat(a.logs.backends()).isEqualTo(2);
        pass(Duration.ofSeconds(15), a);
        assertThat(a.logs.backends()).isOne();
        assertThat(a.sees(b)).isEqualTo(Status.QUIET);
        pass(Duration.ofSeconds(10), b, a);
        assertThat(a.logs.backends()).isEqualTo(2);
        b.logs.close();
        pass(Duration.ofSeconds(5), a);
        assertThat(a.logs.backends()).isOne();
    }

    @Test
    void backends_registryFails_theLastNumberHolds_alsoUntilOthersCouldReport() {
        pass(Duration.ofMinutes(1), a, b);
        isDown = true;
        pass(Duration.ofHours(1), a, b);
        assertThat(a.logs.backends()).isEqualTo(2);
        isDown = false;
        pass(Duration.ofSeconds(10), a);
        assertThat(a.logs.backends()).isEqualTo(2);
        pass(Duration.ofSeconds(30), a);
        assertThat(a.logs.backends()).as("the other did not come back").isOne();
    }

    @Test
    void backends_registryFailsNowAndThen_oneThatIsGoneDoesNotStayCounted() {
        pass(Duration.ofMinutes(1), a, b);
        for (int i = 0; i < 10; i++) {
            isDown = true;
            pass(Duration.ofSeconds(10), a);
            isDown = false;
            pass(Duration.ofSeconds(10), a);
        }
        assertThat(a.logs.backends()).isOne();
    }

    @Test
    void backends_ofAnEarlierVersion_reportEachMinute_andStayCounted() {
        b.figures = null;
        pass(Duration.ofMinutes(1), a, b);
        LogEntry old = shared.get(id(2));
        assertThat(LogEntry.parse(old.text())).contains(old);
        pass(Duration.ofSeconds(170), a);
        assertThat(a.logs.backends()).isEqualTo(2);
        pass(Duration.ofSeconds(20), a);
        assertThat(a.logs.backends()).isOne();
    }

    @Test
    void figures_thatAreNoneOrNoAddress_areNotKnown() {
        a.figures = new LogEntry.Figures("https://h/ui", null, null, null, null);
        pass(Duration.ofSeconds(5), a);
        String text = shared.get(id(1)).text();
        for (String url : List.of("javascript:alert(1)", "http://h/ui x", "https://" + "h".repeat(200), "//h")) {
            String changed = text.replace("\"https://h/ui\"", "\"" + url + "\",\"waiting\":\"many\"");
            assertThat(LogEntry.parse(changed).orElseThrow().figures()).isEqualTo(LogEntry.Figures.NONE);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "\"lag_seconds\":4               | \"lag_seconds\":9223372036854775807",
                "\"lag_seconds\":4               | \"lag_seconds\":1e17",
                "\"lag_seconds\":4               | \"lag_seconds\":-5",
                "\"waiting\":2                   | \"waiting\":1e30",
                "\"name\":\"b\"                  | \"name\":\"\"",
                "\"name\":\"b\"                  | \"name\":\"b\\n2026-11-30 ERROR\"",
                "\"version\":\"1\"               | \"version\":\"1\\u001b[2J\"",
                "\"last\":5                      | \"last\":9223372036854775807",
                "\"archived_up_to\":0            | \"archived_up_to\":-1",
                "\"started_millis\":1764331200000 | \"started_millis\":-1",
                "\"seen_millis\":                | \"seen_millis\":99999999",
            })
    void entryThatNoBackendWrites_isNotRead(String text, String instead) {
        b.figures = new LogEntry.Figures(null, 1L, 2L, 3L, 4L);
        pass(Duration.ofSeconds(5), b);
        String entry = shared.get(id(2)).text().replace("1795867200000", "1764331200000");
        assertThat(LogEntry.parse(entry)).isPresent();
        assertThat(entry).contains(text);
        assertThat(LogEntry.parse(entry.replace(text, instead))).isEmpty();
    }

    @Test
    void entryThatSomebodyRemoved_staysRemoved() {
        pass(Duration.ofMinutes(1), a, b);
        pass(Duration.ofSeconds(20), a);
        shared.remove(id(2));
        pass(Duration.ofMinutes(1), a);
        assertThat(shared).containsOnlyKeys(id(1));
        assertThat(a.sees(b)).isNull();
    }

    @Test
    void registryThatWentBack_isFilledAgain() {
        pass(Duration.ofSeconds(20), a);
        LogEntry old = shared.get(id(1));
        pass(Duration.ofMinutes(1), a, b);
        pass(Duration.ofSeconds(20), a);
        shared.clear();
        shared.put(id(1), old);
        pass(Duration.ofSeconds(20), a);
        assertThat(shared).containsOnlyKeys(id(1), id(2));
    }

    @Test
    void cleanEnd_isNoAlarm() {
        pass(Duration.ofMinutes(1), a, b);
        b.logs.close();
        pass(Duration.ofDays(1), a);
        assertThat(a.sees(b)).isEqualTo(Status.ENDED);
        assertThat(a.missing()).isZero();
        pass(KEEP.plusDays(1), a);
        assertThat(a.sees(b)).as("its entry is not needed any more").isNull();
        assertThat(shared).containsOnlyKeys(id(1));
    }

    @Test
    void endWithoutTheLog_isAnAlarm() {
        pass(Duration.ofMinutes(1), a, b);
        b.ownsLog = false;
        b.logs.close();
        pass(Duration.ofMinutes(11), a);
        assertThat(a.sees(b)).isEqualTo(Status.MISSING);
    }

    @Test
    void endOfASupersededBackend_doesNotEndTheLog() {
        pass(Duration.ofMinutes(1), a, b);
        Logs old = b.logs;
        b.restart(); // the log is used elsewhere
        pass(Duration.ofMinutes(1), a, b);
        String newer = b.instance;
        b.instance = "%016x".formatted(2);
        old.close();
        b.instance = newer;
        assertThat(shared.get(id(2)).ended()).isFalse();
        assertThat(shared.get(id(2)).instance()).isEqualTo(newer);
    }

    @Test
    void emptiedRegistry_isFilledAgain_alsoWithLogsThatNobodyReports() {
        pass(Duration.ofMinutes(1), a, b);
        shared.clear();
        pass(Duration.ofMinutes(15), a);
        assertThat(shared).containsOnlyKeys(id(1), id(2));
        assertThat(a.sees(b)).isEqualTo(Status.MISSING);
    }

    @Test
    void registryThatFails_keepsWhatWasSeen_andIsReadAgain() {
        pass(Duration.ofMinutes(1), a, b);
        isDown = true;
        pass(Duration.ofMinutes(1), a);
        assertThat(a.logs.view().problem()).contains("the store is down");
        assertThat(a.missing()).isNaN();
        assertThat(a.sees(b)).isEqualTo(Status.UP);
        assertThat(a.metrics.read().sum("flk_registry_failures_total")).isPositive();
        isDown = false;
        pass(Duration.ofMinutes(1), a, b);
        assertThat(a.logs.view().problem()).isEmpty();
    }

    @Test
    void registryThatFailedForLong_makesNoLogMissing() {
        pass(Duration.ofMinutes(1), a, b);
        isDown = true;
        pass(Duration.ofMinutes(15), a, b);
        isDown = false;
        pass(Duration.ofSeconds(30), a);
        assertThat(a.sees(b)).isNotEqualTo(Status.MISSING);
        pass(Duration.ofMinutes(1), a, b);
        assertThat(a.sees(b)).isEqualTo(Status.UP);
    }

    @Test
    void oneThatAsksFails_othersAreAnswered() {
        List<Boolean> answers = new ArrayList<>();
        a.logs.ask(isOpen -> {
            throw new IllegalStateException("this one fails");
        });
        a.logs.ask(answers::add);
        a.logs.look();
        assertThat(answers).hasSize(1);
    }

    @Test
    void forgottenLog_isNoAlarm_untilItIsReportedAgain() throws Exception {
        pass(Duration.ofMinutes(1), a, b);
        assertThatThrownBy(() -> a.logs.forget("b", "ann"))
                .isInstanceOf(NotForgettableException.class)
                .hasMessageContaining("in use");
        assertThatThrownBy(() -> a.logs.forget("c", "ann"))
                .isInstanceOf(NotForgettableException.class)
                .hasMessageContaining("knows no log");
        pass(Duration.ofMinutes(11), a);
        assertThat(a.logs.isForgotten(id(2))).isFalse();
        assertThat(a.logs.forget("b", "ann").logId()).isEqualTo(id(2));
        assertThat(a.logs.isForgotten(id(2))).isTrue();
        assertThat(a.missing()).isZero();
        a.restart();
        a.logs.look();
        assertThat(a.logs.isForgotten(id(2))).isTrue();
        pass(Duration.ofMinutes(1), b, a);
        assertThat(a.sees(b)).isEqualTo(Status.UP);
        assertThat(a.logs.isForgotten(id(2))).isFalse();
    }

    @Test
    void otherKeysElsewhere_leaveARefusalOpen_forTenMinutes() {
        pass(Duration.ofMinutes(1), a, b);
        assertThat(a.leavesOpen()).isFalse();
        b.keys = "k2";
        b.logs.look();
        assertThat(a.leavesOpen()).isTrue();
        pass(Duration.ofMinutes(9), a, b);
        assertThat(a.leavesOpen()).isTrue();
        pass(Duration.ofMinutes(2), a, b);
        assertThat(a.leavesOpen()).isFalse();
        a.keys = "k2";
        assertThat(a.leavesOpen()).isFalse();
        b.keys = "k3";
        b.logs.look();
        assertThat(a.leavesOpen()).isTrue();
        a.keys = "k3";
        assertThat(a.leavesOpen()).isFalse();
    }

    @Test
    void announcedKeys_areSeenByTheNextLook() {
        pass(Duration.ofMinutes(1), a, b);
        b.logs.announceKeys("k2");
        assertThat(a.leavesOpen()).isTrue();
    }

    @Test
    void registryThatFails_leavesARefusalOpen_forTenMinutes() {
        pass(Duration.ofMinutes(1), a, b);
        isDown = true;
        assertThat(a.leavesOpen()).isTrue();
        pass(Duration.ofMinutes(10), a);
        assertThat(a.leavesOpen()).isFalse();
        isDown = false;
        assertThat(a.leavesOpen()).isFalse();
    }
}
