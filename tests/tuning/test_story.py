from argosy import billing, catalog


def test_a_job_becomes_a_model_that_answers_and_is_paid_for(harbour):
    harbour.start_worker()
    job = harbour.end_of(harbour.create(suffix="charts").id)
    assert (job.status, job.error) == ("succeeded", None)
    assert job.trained_tokens == 2000
    assert job.fine_tuned_model == f"ft:smollm2-135m-instruct:argosy:charts:{job.id[-8:]}"
    with harbour.database.read() as tx:
        model = catalog.find_model(tx, job.project_id, job.fine_tuned_model)
        assert model.lineage.job == job.id
        price = billing.current_prices(tx)["smollm2-135m-instruct"]
        owed = billing.balance(tx, job.project_id, billing.RECEIVABLE)
    assert owed == (2000 * price.training + 500_000) // 1_000_000
