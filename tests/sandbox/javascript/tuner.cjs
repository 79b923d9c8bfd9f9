// A tuner as people write them with AWS's SDK for JavaScript: versions and aliases per size,
// invocations with a tail log, cleaning up at the end. Prints what it saw as one line of JSON.
'use strict';
const lambda = require('@aws-sdk/client-lambda');
const { CloudWatchClient, GetMetricDataCommand } = require('@aws-sdk/client-cloudwatch');
const { S3Client, CreateBucketCommand, PutObjectCommand, GetObjectCommand } = require('@aws-sdk/client-s3');

const [name, sizes, count, coldOnly] = JSON.parse(process.argv[2]);
const client = new lambda.LambdaClient({});
const send = (kind, input) => client.send(new lambda[kind + 'Command'](input));

async function aliasFor(alias, MemorySize, Description) {
    await send('UpdateFunctionConfiguration', { FunctionName: name, MemorySize, Description });
    await lambda.waitUntilFunctionUpdatedV2({ client, maxWaitTime: 30, minDelay: 1 }, { FunctionName: name });
    const { Version } = await send('PublishVersion', { FunctionName: name });
    let missing = false;
    try {
        await send('GetAlias', { FunctionName: name, Name: alias });
    } catch (error) {
        missing = error instanceof lambda.ResourceNotFoundException;
        if (!missing) throw error;
    }
    await send(missing ? 'CreateAlias' : 'UpdateAlias', { FunctionName: name, Name: alias, FunctionVersion: Version });
    return { alias, Version, missing };
}

async function measure(alias, Payload) {
    await lambda.waitUntilFunctionActiveV2({ client, maxWaitTime: 30 }, { FunctionName: name, Qualifier: alias });
    const answer = await send('Invoke', { FunctionName: name, Qualifier: alias, LogType: 'Tail', Payload });
    const log = Buffer.from(answer.LogResult, 'base64').toString();
    const figure = (pattern) => Number((pattern.exec(log) || [0, 'NaN'])[1]);
    return {
        version: answer.ExecutedVersion,
        failed: answer.FunctionError || null,
        duration: figure(/\tDuration: (\d+\.\d+) ms/),
        billed: figure(/\tBilled Duration: (\d+) ms/),
        memory: figure(/\tMemory Size: (\d+) MB/),
        init: figure(/\tInit Duration: (\d+\.\d+) ms/),
    };
}

(async () => {
    const s3 = new S3Client({ forcePathStyle: true });
    await s3.send(new CreateBucketCommand({ Bucket: 'payloads' }));
    await s3.send(new PutObjectCommand({ Bucket: 'payloads', Key: 'a/b.json', Body: '{"from":"s3"}' }));
    const stored = await s3.send(new GetObjectCommand({ Bucket: 'payloads', Key: 'a/b.json' }));
    const payload = await stored.Body.transformToString();

    const before = await send('GetFunctionConfiguration', { FunctionName: name });
    const made = [];
    for (const size of sizes) {
        for (let i = 0; i < (coldOnly ? count : 1); i++) {
            const alias = coldOnly ? `RAM${size}-${i}` : `RAM${size}`;
            made.push({ size, ...(await aliasFor(alias, size, coldOnly ? `cold ${alias}` : before.Description)) });
        }
    }
    await aliasFor('back', before.MemorySize, before.Description);
    const samples = {};
    for (const { size, alias } of made) {
        const times = coldOnly ? 1 : count;
        const runs = await Promise.all(Array.from({ length: times }, () => measure(alias, payload)));
        samples[size] = [...(samples[size] || []), ...runs];
    }
    await Promise.all([...made, { alias: 'back' }].map(async ({ alias }) => {
        const { FunctionVersion } = await send('GetAlias', { FunctionName: name, Name: alias });
        await send('DeleteAlias', { FunctionName: name, Name: alias });
        await send('DeleteFunction', { FunctionName: name, Qualifier: FunctionVersion });
    }));
    const now = Date.now();
    const { MetricDataResults } = await new CloudWatchClient({}).send(new GetMetricDataCommand({
        StartTime: new Date(now - 600_000), EndTime: new Date(now + 120_000),
        MetricDataQueries: sizes.map((size, i) => ({
            Id: `n${i}`,
            MetricStat: {
                Metric: {
                    Namespace: 'AWS/Lambda', MetricName: 'Invocations',
                    Dimensions: [{ Name: 'FunctionName', Value: name }, { Name: 'Resource', Value: `${name}:${coldOnly ? `RAM${size}-0` : `RAM${size}`}` }],
                },
                Period: 60, Stat: 'Sum',
            },
        })),
    }));
    const stream = await send('InvokeWithResponseStream', { FunctionName: name });
    const events = [];
    for await (const event of stream.EventStream) events.push(Object.keys(event)[0]);
    const after = await send('GetFunctionConfiguration', { FunctionName: name });
    console.log(JSON.stringify({
        samples, events, made, before: before.MemorySize, after: after.MemorySize,
        counted: MetricDataResults.map((result) => result.Values.reduce((a, b) => a + b, 0)),
    }));
})();
