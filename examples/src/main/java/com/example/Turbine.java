package com.example;

import static java.util.concurrent.TimeUnit.SECONDS;

import dev.flk.agent.certify.CertificateBuilder;
import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.run.Agent;
import dev.flk.agent.send.Settlement;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeoutException;

/**
 * An example that certifies the measurements of a turbine and prints the outcome. The key and the endpoint come from
 * the environment.
 */
public final class Turbine {
    private Turbine() {}

    public static void main(String[] args) throws Exception {
        try (Agent agent = Agent.open(AgentConfig.of(System.getenv()))) {
            byte[] certificate = new CertificateBuilder("turbine-7").epoch(1).rows(measurements()).build();
            CompletionStage<Settlement> stage = agent.submit(certificate); // The certificate is on disk now.
            try {
                Settlement settled = stage.toCompletableFuture().get(5, SECONDS);
                System.out.println((settled.kind() + " " + settled.pcsId() + " " + settled.reason()).strip());
            } catch (TimeoutException e) {
                System.out.println("WAITS in the outbox: " + agent.problem().orElse("no answer yet"));
            }
        }
    }

    /** Returns an hour of vibration measurements: seconds since 1970, and millimetres per second. */
    private static double[][] measurements() {
        double[][] rows = new double[360][];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = new double[] {1_700_000_000 + 10.0 * i, 2.8 + Math.sin(i / 20.0) + 0.3 * Math.sin(i * i)};
        }
        return rows;
    }
}
