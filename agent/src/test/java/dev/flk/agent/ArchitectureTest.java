// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.GeneralCodingRules;
import dev.flk.program.cli.InertWriter;
import java.io.FileDescriptor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ArchitectureTest {
    private static final JavaClasses AGENT = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("dev.flk.agent");

    @Test
    void packages_dependOnEachOther_withoutCycles() {
        slices().matching("dev.flk.agent.(*)..").should().beFreeOfCycles().check(AGENT);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "certify | outbox,send,source,control,run,cli,config,metrics",
                "follow  | outbox,send,source,control,run,cli,config,metrics",
                "outbox  | certify,send,source,control,run,cli,config,metrics",
                "source  | certify,send,control,run,cli,config,metrics",
                "send    | certify,source,control,run,cli,config",
                "control | certify,send,run,cli,config,metrics",
                "metrics | certify,outbox,send,source,control,run,cli,config",
                "config  | run,doctor,cli",
                "run     | certify,doctor,cli",
                "doctor  | certify,run,cli,metrics",
            })
    void package_dependsOnlyOnAllowedPackages(String of, String forbidden) {
        String[] packages = java.util.Arrays.stream(forbidden.split(","))
                .map(name -> "dev.flk.agent." + name + "..")
                .toArray(String[]::new);

        noClasses()
                .that()
                .resideInAPackage("dev.flk.agent." + of + "..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(packages)
                .check(AGENT);
    }

    @Test
    void certify_isPure_exceptForTheStreamItReads() {
        noClasses()
                .that()
                .resideInAPackage("dev.flk.agent.certify..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(
                        "java.nio.file..", "java.net..", "java.util.concurrent..", "org.slf4j..", "dev.flk.wal..")
                .check(AGENT);
    }

    @Test
    void netty_isUsedOnlyByTheServersAndTheTlsConfiguration() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.flk.agent.control..")
                .and()
                .haveSimpleNameNotEndingWith("Tls")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("io.netty..")
                .check(AGENT);
    }

    @Test
    void wal_isUsedOnlyByTheOutbox() {
        noClasses()
                .that()
                .resideOutsideOfPackage("dev.flk.agent.outbox..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("dev.flk.wal..")
                .check(AGENT);
    }

    /** Checks that commands print to an {@link InertWriter}, on which no text can control a terminal. */
    @Test
    void nothingElse_writesToStandardStreams() {
        noClasses()
                .that()
                .doNotHaveFullyQualifiedName("dev.flk.agent.cli.Main")
                .should(GeneralCodingRules.ACCESS_STANDARD_STREAMS)
                .orShould()
                .dependOnClassesThat()
                .belongToAnyOf(FileDescriptor.class)
                .check(AGENT);
    }
}
