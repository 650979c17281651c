// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

import dev.flk.bench.load.Stock;
import dev.flk.bench.process.Server;
import java.io.IOException;
import java.time.Duration;
import java.util.List;

/** Ten minutes of load on a backend in little memory: neither memory nor throughput may drift. */
final class Sustained implements Suite {
    private static final String SUBJECT = "backend in -Xmx256m, 64";
    private static final int ROUNDS = 40;
    private static final Duration ROUND = Duration.ofSeconds(15);
    private static final int COMPARED = ROUNDS / 4;

    @Override
    public String name() {
        return "sustained";
    }

    @Override
    public String description() {
        return "ten minutes of singles over 64 connections to a backend in -Xmx256m";
    }

    @Override
    public Results run(Workshop workshop, Rounds rounds) throws IOException, InterruptedException {
        Server backend = workshop.backend("sustained", List.of("-Xmx256m"));
        Stock stock = Stock.ofSingles(Singles.PATH, workshop.certificates());
        Rounds long40 = rounds.with(new Plan(ROUNDS, Duration.ZERO, ROUND));
        Results results = long40.run(
                name(), "certificates", "", List.of(new HttpLoad(SUBJECT, backend, 64, stock, 30_000, "200")));
        List<Sample> samples = results.of(SUBJECT).samples();
        Figures first = new Figures("first quarter", samples.subList(0, COMPARED));
        Figures last = new Figures("last quarter", samples.subList(ROUNDS - COMPARED, ROUNDS));
        return new Results(
                name(),
                "certificates",
                first.subject(),
                List.of(first, last),
                List.of(
                        Target.atMost(
                                "memory held at the end, of that at the beginning",
                                last.median(Sample::residentMebibytes) / first.median(Sample::residentMebibytes),
                                1.1),
                        Target.atLeast(
                                "throughput at the end, of that at the beginning",
                                last.median(Sample::perSecond) / first.median(Sample::perSecond),
                                0.8)));
    }
}
